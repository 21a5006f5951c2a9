// Threads that work on one direction, and how they share it.
#pragma once

#include "threads.h"

namespace seqloom {

struct Team {
  int thread, threads;
  Barrier* barrier;
  void meet() const {
    if (threads > 1) barrier->wait(threads);
  }
};

}  // namespace seqloom
