// For functions that check one thing after the other.
#ifndef MIND_SERVER_GENERATION_RETURN_IF_ERROR_H_
#define MIND_SERVER_GENERATION_RETURN_IF_ERROR_H_

#include "absl/status/status.h"

// Returns what the expression says from the function around it, unless that is OK.
#define MIND_RETURN_IF_ERROR(expression)                              \
  do {                                                                \
    if (absl::Status error = (expression); !error.ok()) return error; \
  } while (false)

#endif  // MIND_SERVER_GENERATION_RETURN_IF_ERROR_H_
