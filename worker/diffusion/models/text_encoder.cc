#include "worker/diffusion/models/text_encoder.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/bert_text.h"
#include "worker/diffusion/models/clip_text.h"

namespace mind::diffusion {

std::unique_ptr<const TextEncoder> MakeTextEncoder(const Scope& scope, const Config& config) {
  const std::string kind = config.String("model_type", "clip_text_model");
  if (kind == "clip_text_model") return std::make_unique<ClipText>(scope, ClipTextConfig::From(config));
  if (kind == "bert") return std::make_unique<BertText>(scope, BertTextConfig::From(config));
  config.Unsupported("model_type", "clip_text_model, bert");
}

at::Tensor WithInserted(const at::Tensor& embeddings, const std::vector<InsertedVectors>& inserted) {
  if (inserted.empty()) return embeddings;
  at::Tensor whole = embeddings.clone();
  for (const InsertedVectors& word : inserted) {
    if (word.vectors.size(1) != whole.size(2)) {
      throw ModelError("learnt vectors of " + std::to_string(word.vectors.size(1)) +
                       " numbers do not fit a text encoder of width " + std::to_string(whole.size(2)));
    }
    whole[word.row].narrow(0, word.place, word.vectors.size(0)).copy_(word.vectors);
  }
  return whole;
}

void ExpectSameVocabulary(const Tokenizer& tokenizer, const TextEncoder& encoder, const std::string& model) {
  if (tokenizer.largest_id() < encoder.vocabulary()) return;
  throw ModelError(model + ": the tokenizer makes ids up to " + std::to_string(tokenizer.largest_id()) +
                   " but the text encoder knows those below " + std::to_string(encoder.vocabulary()));
}

int64_t MaxSkip(const Config& config) {
  const bool clip = config.String("model_type", "clip_text_model") == "clip_text_model";
  return clip ? ClipTextConfig::From(config).layers - 1 : 0;
}

}  // namespace mind::diffusion
