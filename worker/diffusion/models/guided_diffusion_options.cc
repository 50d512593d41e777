#include "worker/diffusion/models/guided_diffusion_options.h"

#include <algorithm>
#include <charconv>

namespace mind::diffusion {

std::vector<int64_t> NumbersIn(const Config& config, const std::string& key) {
  const std::string text = config.String(key, "");
  std::vector<int64_t> values;
  for (size_t begin = 0; begin <= text.size() && !text.empty();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    int64_t value = 0;
    const auto [rest, error] = std::from_chars(text.data() + begin, text.data() + end, value);
    if (error != std::errc() || rest != text.data() + end || value < 1 || value > 4096)
      config.Unsupported(key, "numbers of 1 to 4096, separated by commas");
    values.push_back(value);
    begin = end + 1;
  }
  return values;
}

std::vector<int64_t> ChannelMultiples(const Config& config, int64_t image_size) {
  std::vector<int64_t> multiples = NumbersIn(config, "channel_mult");
  if (multiples.empty()) {
    if (image_size == 256) {
      multiples = {1, 1, 2, 2, 4, 4};
    } else if (image_size == 128) {
      multiples = {1, 1, 2, 3, 4};
    } else if (image_size == 64) {
      multiples = {1, 2, 3, 4};
    } else {
      config.Unsupported("image_size", "64, 128, 256, where channel_mult is empty");
    }
  }
  if (multiples.size() > 16 || multiples.front() != 1)
    config.Unsupported("channel_mult", "1 to 16 numbers, the first of them 1");
  if (image_size < 1 || image_size % (int64_t{1} << (multiples.size() - 1)) != 0)
    config.Unsupported("image_size", "a multiple of 2 to the number of halvings");
  return multiples;
}

}  // namespace mind::diffusion
