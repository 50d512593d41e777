// Masks that are drawn by what is transparent in them.
#ifndef MIND_WORKER_IMAGE_ALPHA_MASK_H_
#define MIND_WORKER_IMAGE_ALPHA_MASK_H_

#include <optional>
#include <string>
#include <string_view>

namespace mind::image {

// As OpenAI's clients make them, transparent where a picture is to be painted anew: a PNG of the same size
// that is white where this one is transparent (alpha below half) and black elsewhere. Nothing if it is no
// PNG, or nowhere transparent: then it is a mask by its brightness, if it is one. Throws std::runtime_error
// for a PNG that cannot be read. Any thread may call.
std::optional<std::string> MaskOfTransparency(std::string_view file);

// As AUTOMATIC1111 reads them (create_binary_mask in its modules/processing.py): a PNG of the same size, as
// bright as this one is opaque. Nothing if it is no PNG, or opaque everywhere. Throws likewise.
std::optional<std::string> MaskOfOpacity(std::string_view file);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_ALPHA_MASK_H_
