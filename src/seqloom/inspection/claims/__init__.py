"""What a textbook chapter on sequence models states, measured on this machine."""

from seqloom.inspection.claims.claim import Check, Claim, Finding, Picture, Verdict
from seqloom.inspection.claims.running import Outcome, run_claims
from seqloom.inspection.claims.table import CLAIMS

__all__ = ["CLAIMS", "Check", "Claim", "Finding", "Outcome", "Picture", "Verdict", "run_claims"]
