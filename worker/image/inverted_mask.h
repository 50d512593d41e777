// Masks turned round.
#ifndef MIND_WORKER_IMAGE_INVERTED_MASK_H_
#define MIND_WORKER_IMAGE_INVERTED_MASK_H_

#include <string>
#include <string_view>

namespace mind::image {

// A PNG of the same size that is dark where this picture is bright, and as much as it is. Throws
// std::runtime_error for a picture that cannot be read. Any thread may call.
std::string InvertedMask(std::string_view file);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_INVERTED_MASK_H_
