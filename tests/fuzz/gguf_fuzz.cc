// A GGUF file.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/weights/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const c10::InferenceMode inference;
  mind::fuzz::AllowingErrors([&] { mind::diffusion::ParseGguf(mind::fuzz::Text(data, size), "input"); });
  return 0;
}
