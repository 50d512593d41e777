// What a job's owner calls it.
#ifndef MIND_SERVER_GENERATION_LABELS_H_
#define MIND_SERVER_GENERATION_LABELS_H_

#include <google/protobuf/map.h>

#include <string>

#include "absl/status/status.h"

namespace mind::server {

using Labels = google::protobuf::Map<std::string, std::string>;

// At most 16, with names of 1 to 63 letters, digits, '-', '_', '.' and '/', and texts of at most 63
// characters without control characters. INVALID_ARGUMENT otherwise: `field` is where they stand.
absl::Status CheckLabels(const std::string& field, const Labels& labels);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_LABELS_H_
