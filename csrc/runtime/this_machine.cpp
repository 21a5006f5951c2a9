// Run by CMake: exits with the number of the best instruction set of the processor that compiles.

#include "runtime/cpu_target.h"

int main() { return seqloom::processors_best(); }
