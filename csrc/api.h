// What the library shows: of all its symbols only the functions that are marked with this.
#pragma once

#if defined(_WIN32)
#define SEQLOOM_API extern "C" __declspec(dllexport)
#else
#define SEQLOOM_API extern "C" __attribute__((visibility("default")))
#endif
