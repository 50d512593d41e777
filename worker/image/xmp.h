// XMP packets in picture files: metadata that every program for pictures reads.
#ifndef MIND_WORKER_IMAGE_XMP_H_
#define MIND_WORKER_IMAGE_XMP_H_

#include <string>
#include <string_view>

namespace mind::image {

// Says in IPTC's words that a trained model made the picture (DigitalSourceType trainedAlgorithmicMedia), and
// what program; where it bears a watermark, that as well, and of what kind (`watermark`, a word; empty:
// none).
std::string XmpOfMadeByModel(std::string_view program, std::string_view watermark = "");

// The file with the packet in it, where its format has its place: an iTXt chunk of PNG, an APP1 segment of
// JPEG, a chunk of WebP. The picture's own bytes stay as they are. REQUIRES: `file` is one that this folder's
// encoders have made, and has no packet. Throws std::runtime_error if it is not, or the packet is too long
// for a segment of JPEG. Any thread may call.
std::string WithXmp(std::string file, const std::string& packet);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_XMP_H_
