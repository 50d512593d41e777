#include "worker/training/captions.h"

#include <algorithm>

namespace mind::training {

Captions::Captions(const std::vector<std::vector<std::string>>& captions,
                   const diffusion::Tokenizer& tokenizer, double dropout)
    : dropout_(dropout) {
  const auto tokens = [&tokenizer](const std::string& caption) {
    return at::tensor(tokenizer.EncodePadded(caption, tokenizer.model_length()), at::kLong);
  };
  for (const auto& of_picture : captions) {
    tokens_.emplace_back();
    for (const std::string& caption : of_picture) tokens_.back().push_back(tokens(caption));
  }
  none_ = tokens("");
}

at::Tensor Captions::Draw(const std::vector<int64_t>& examples, StepRandom& random) const {
  const auto rows = static_cast<int64_t>(examples.size());
  const at::Tensor drops = random.Uniform({rows}), choices = random.Uniform({rows});
  std::vector<at::Tensor> tokens;
  for (int64_t i = 0; i < rows; ++i) {
    const auto& captions = tokens_[static_cast<size_t>(examples[static_cast<size_t>(i)])];
    const auto choice = static_cast<size_t>(choices[i].item<double>() * static_cast<double>(captions.size()));
    tokens.push_back(drops[i].item<double>() < dropout_ ? none_
                                                        : captions[std::min(choice, captions.size() - 1)]);
  }
  return at::stack(tokens);
}

}  // namespace mind::training
