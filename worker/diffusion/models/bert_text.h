// BERT as a text encoder: Chinese-CLIP's and Taiyi's. Devlin et al. 2019; source: transformers BertModel.
#ifndef MIND_WORKER_DIFFUSION_MODELS_BERT_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_BERT_TEXT_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/text_encoder.h"

namespace mind::diffusion {

struct BertTextConfig {
  int64_t vocabulary = 21128;
  int64_t width = 768;
  int64_t feed_forward = 3072;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t positions = 512;
  int64_t segments = 2;
  double epsilon = 1e-12;

  // text_encoder/config.json. Throws ModelError.
  static BertTextConfig From(const Config& config);
};

// One post-norm layer.
class BertTextLayer {
 public:
  BertTextLayer(const Scope& scope, const BertTextConfig& config);
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& mask) const;

 private:
  int64_t heads_;
  Linear query_, key_, value_, attention_out_;
  LayerNorm attention_norm_;
  Linear intermediate_, out_;
  LayerNorm norm_;
};

class BertText : public TextEncoder {
 public:
  BertText(const Scope& scope, const BertTextConfig& config);

  // ids int64 [B, N]; `attention_mask` int64 [B, N], 0 where a token is not to be looked at, or undefined.
  // Gives layers + 1 of [B, N, width]: the embeddings, then after each layer.
  std::vector<at::Tensor> Hidden(const at::Tensor& ids, const at::Tensor& attention_mask = {},
                                 const std::vector<InsertedVectors>& inserted = {}) const;
  // What the first token stands for, [B, width]. REQUIRES: the weights have a pooler.
  at::Tensor Pooled(const at::Tensor& last_hidden) const;

  // Without a mask, as the reference pipeline asks. Layers cannot be skipped: nothing was trained so.
  TextStates States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const override;
  at::Tensor Norm(const at::Tensor& states) const override { return states; }
  int64_t width() const override { return config_.width; }
  int64_t positions() const override { return config_.positions; }
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_skip() const override { return 0; }

 private:
  BertTextConfig config_;
  Embedding words_, position_, segment_;
  LayerNorm norm_;
  std::vector<BertTextLayer> layers_;
  std::optional<Linear> pooler_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_BERT_TEXT_H_
