// What the parts of a LoRA file make of one layer's weight, for the kinds of files there are.
//   LoRA: down, up, and of convolutions perhaps mid between them (Tucker)   Hu et al. 2021; LyCORIS' LoCon
//   LoHa: the product, number by number, of two such                       LyCORIS (Yeh et al. 2024), sec. 3
//   LoKr: the Kronecker product of two factors, each whole or of low rank  likewise
//   full: the difference itself, and that of the bias
//   with dora_scale: the weight and its update, brought to that norm by row or by column  DoRA (Liu et al.
//   2024)
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_LORA_KINDS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_LORA_KINDS_H_

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>

namespace mind::diffusion {

// The update of one layer, shaped for its weight. Of low rank: down [r, in] or [r, in, k, k], up [out, r] or
// [out, r, 1, 1]; else the difference as a whole.
struct StoredUpdate {
  at::Tensor down, up;  // undefined where delta is defined, or bias alone
  double factor = 1;    // of up · down: alpha / r; 1 where the file has no alpha
  at::Tensor delta;     // float32, of the weight's shape, to be added
  at::Tensor bias;      // float32 [out], likewise; undefined: none
};

// By what the file calls them: down, up, mid, alpha, dora_scale, hada_w1_a …, lokr_w1 …, diff, diff_b.
using UpdateParts = std::map<std::string, at::Tensor>;

// `factor_of`: alpha / r for this rank, where the parts have no alpha. Throws ModelError beginning with
// `what` where parts are missing or do not fit the weight.
StoredUpdate UpdateOf(const std::string& what, const UpdateParts& parts, const at::Tensor& weight,
                      const std::function<double(double rank)>& factor_of);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_LORA_KINDS_H_
