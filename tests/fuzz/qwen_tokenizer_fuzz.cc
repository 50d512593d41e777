// Qwen's tokenizer.json, and behind the first zero byte a prompt.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/text/qwen_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mind::diffusion;
  static const mind::fuzz::Folder* const folder = new mind::fuzz::Folder;
  const auto [file, prompt] = mind::fuzz::Halves(mind::fuzz::Text(data, size));
  folder->Write("tokenizer_config.json", "{}");
  folder->Write("tokenizer.json", file);
  mind::fuzz::AllowingErrors([&, &prompt = prompt] {
    QwenTokenizer::FromDirectory(folder->path())->EncodePadded(prompt.substr(0, 100), 16);
  });
  return 0;
}
