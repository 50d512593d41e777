#include "worker/diffusion/pipelines/t5_prompts.h"

#include <algorithm>

namespace mind::diffusion {

T5Prompts::T5Prompts(const ModelDirectory& directory, const std::string& tokenizer,
                     const std::string& encoder, int64_t length, FileParameters::Options options)
    : device_(options.device),
      length_(length),
      tokenizer_(T5Tokenizer::FromDirectory(directory.ComponentPath(tokenizer))) {
  encoder_ = LoadT5(directory, encoder, options);
  const auto loaded = encoder_->Use();
  width_ = loaded->width();
  ExpectSameVocabulary(*tokenizer_, *loaded, directory.path());
}

std::unique_ptr<const Droppable<T5Text>> LoadT5(const ModelDirectory& directory, const std::string& encoder,
                                                const FileParameters::Options& options) {
  return LoadPart<T5Text>(
      directory, encoder, options, [encoder](const ModelDirectory& from, const FileParameters::Options& as) {
        FileParameters weights = from.ComponentWeights(encoder, as);
        auto made =
            std::make_unique<const T5Text>(Scope(weights), T5TextConfig::From(from.ComponentConfig(encoder)));
        weights.ExpectAllTaken();
        return made;
      });
}

at::Tensor T5Prompts::Encode(const std::string& prompt, int64_t& cut) const {
  const Encoded encoded = prompts_.Get(prompt, [&] { return Read(prompt); });
  cut += encoded.cut;
  return encoded.states;
}

T5Prompts::Encoded T5Prompts::Read(const std::string& prompt) const {
  const auto tokens = static_cast<int64_t>(tokenizer_->Encode(prompt).size());
  const std::vector<int64_t> ids = tokenizer_->EncodePadded(prompt, static_cast<size_t>(length_));
  const at::Tensor states =
      encoder_->Use()->Encode(at::tensor(ids, at::kLong).unsqueeze(0).to(device_)).squeeze(0).to(at::kFloat);
  return {states, std::max<int64_t>(tokens - length_, 0)};
}

}  // namespace mind::diffusion
