#include "tests/bench/server/previews.h"

#include <sys/resource.h>

#include <cstdio>
#include <string>

namespace mind::bench {
namespace {

constexpr size_t kOtherFiles = 200;  // beside one a connection

}  // namespace

v1::ConnectRequest PreviewOf(const v1::ImageRef& image, uint32_t step) {
  v1::ConnectRequest message;
  v1::ImagePreview& preview = *message.mutable_image_preview();
  *preview.mutable_image() = image;
  preview.mutable_preview()->set_image_index(image.image_index());
  preview.mutable_preview()->set_step(step);
  preview.mutable_preview()->set_media_type("image/jpeg");
  preview.mutable_preview()->set_width(64);
  preview.mutable_preview()->set_height(64);
  preview.mutable_preview()->set_data(std::string(kPreviewBytes, 'x'));
  return message;
}

void AllowFiles(size_t connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= connections + kOtherFiles) return;
  std::fprintf(stderr,
               "bench-server: only %llu files may be open, %zu connections need about %zu: see ulimit -n\n",
               static_cast<unsigned long long>(limit.rlim_cur), connections, connections + kOtherFiles);
}

}  // namespace mind::bench
