// Whether pictures bear a watermark, for people.
#ifndef MIND_WORKER_TOOLS_INSPECT_WATERMARKS_H_
#define MIND_WORKER_TOOLS_INSPECT_WATERMARKS_H_

#include <optional>
#include <string>

#include "worker/image/watermark.h"

namespace mind::inspect {

// None, having said why on standard error.
std::optional<image::Watermark> ReadKey(const std::string& path);

// Prints how surely it is there. False if it is not, or the file is no picture.
bool FindWatermark(const image::Watermark& watermark, const std::string& path);

}  // namespace mind::inspect

#endif  // MIND_WORKER_TOOLS_INSPECT_WATERMARKS_H_
