// A picture a stranger sends: PNG, JPEG, WebP.
#include <stdexcept>

#include "tests/fuzz/fuzz.h"
#include "worker/image/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    mind::image::DecodePicture(mind::fuzz::Text(data, size));
  } catch (const std::runtime_error&) {
  }
  return 0;
}
