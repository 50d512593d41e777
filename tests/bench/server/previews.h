// What the measurements of watchers and of readers share.
#ifndef MIND_TESTS_BENCH_SERVER_PREVIEWS_H_
#define MIND_TESTS_BENCH_SERVER_PREVIEWS_H_

#include <cstddef>
#include <cstdint>

#include "mind/v1/worker.pb.h"

namespace mind::bench {

inline constexpr size_t kPreviewBytes = 4096;

// What a worker sends.
v1::ConnectRequest PreviewOf(const v1::ImageRef& image, uint32_t step);

// Raises how many files may be open as far as it goes, for the servers too, and says if that is too few for
// so many connections.
void AllowFiles(size_t connections);

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_PREVIEWS_H_
