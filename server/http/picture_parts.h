// A job's pictures, put together from the parts they come in.
#ifndef MIND_SERVER_HTTP_PICTURE_PARTS_H_
#define MIND_SERVER_HTTP_PICTURE_PARTS_H_

#include <optional>
#include <string>
#include <utility>

#include "mind/v1/image.pb.h"

namespace mind::server {

struct Picture {
  uint32_t index = 0;
  uint64_t seed = 0;
  std::string media_type;
  std::string data;
};

class PictureParts {
 public:
  // The picture, when this was its last part.
  std::optional<Picture> Add(const v1::ImageChunk& part) {
    if (picture_.data.empty()) {
      picture_ = {.index = part.image_index(), .seed = part.seed(), .media_type = part.media_type()};
      picture_.data.reserve(part.total_size());
    }
    picture_.data += part.data();
    if (!part.last()) return std::nullopt;
    return std::exchange(picture_, {});
  }

 private:
  Picture picture_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_PICTURE_PARTS_H_
