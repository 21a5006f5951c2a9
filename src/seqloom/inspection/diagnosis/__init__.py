"""Diagnosis of a run, or of the recurrent layers of any module: what is wrong, by name, with its evidence."""

from seqloom.inspection.diagnosis.diagnose import Diagnosis, diagnose
from seqloom.inspection.diagnosis.history import History, read_history
from seqloom.inspection.diagnosis.measuring import measure_module
from seqloom.inspection.diagnosis.place import PlaceDiagnosis
from seqloom.inspection.diagnosis.verdicts import Circumstances, Verdict, judge, verdicts_of_history

__all__ = [
    "Circumstances",
    "Diagnosis",
    "History",
    "PlaceDiagnosis",
    "Verdict",
    "diagnose",
    "judge",
    "measure_module",
    "read_history",
    "verdicts_of_history",
]
