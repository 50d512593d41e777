// A safetensors file: every byte of every tensor is read, and the whole taken for a LoRA, and for weights of
// few bits beside their scales.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/weights/names/lora_names.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/diffusion/weights/scaled_weights.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mind::diffusion;
  const c10::InferenceMode inference;
  mind::fuzz::AllowingErrors([&] {
    const SafeTensors file = SafeTensors::Parse(mind::fuzz::Text(data, size), "input");
    for (const auto& [name, tensor] : file.tensors()) {
      volatile char sink = 0;
      const auto* const bytes = static_cast<const char*>(tensor.data_ptr());
      for (size_t i = 0; i < tensor.nbytes(); ++i) sink = sink ^ bytes[i];
    }
    mind::fuzz::AllowingErrors([&] { WithScales({"input", file.tensors(), file.metadata()}); });
    static const LayerWeights layers = {{"unet.mid.attn1.to_q", at::zeros({3, 2})},
                                        {"unet.conv_in", at::zeros({2, 1, 3, 3})}};
    FromLora({"input", file.tensors(), file.metadata()}, layers);
  });
  return 0;
}
