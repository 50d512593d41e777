// IP-Adapter: pictures as prompts. What CLIP makes of them becomes tokens, which the UNet's cross-attentions
// see beside the text's by keys and values of their own. Ye et al. 2023, sec. 3.2; reference:
// tencent-ailab/IP-Adapter and diffusers IPAdapterAttnProcessor.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PICTURE_PROMPT_H_
#define MIND_WORKER_DIFFUSION_MODELS_PICTURE_PROMPT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/told.h"
#include "worker/diffusion/models/unet_config.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// What makes tokens of pictures, and for the layers that see them keys and values. Immutable after
// construction; any thread may call.
class PicturePrompter {
 public:
  // A published file ("image_proj.…", "ip_adapter.1.to_k_ip.weight" …) for this UNet. Throws ModelError where
  // it fits neither that nor an image encoder of `vision`.
  PicturePrompter(NamedTensors stored, const std::string& file, FileParameters::Options options,
                  const UNetConfig& unet, const ClipVisionConfig& vision);

  // Of n pictures [n, N, width]; of none at all, which guidance leads away from.
  at::Tensor Tokens(const PictureStates& pictures) const;
  // Of as many: `blank` is what the encoder makes of pixels that are zero.
  at::Tensor NoTokens(const PictureStates& blank) const;
  // The layers' numbers by their paths, as in SelfAttentions.
  const std::map<std::string, size_t>& layers() const { return layers_; }

  // What is added to a layer's attention before to_out. queries [B, N, channels]; prompt: of the batch.
  at::Tensor Added(const std::string& layer, const at::Tensor& queries, int64_t heads,
                   const PicturePrompt& prompt) const;

 private:
  struct KeysValues {
    Linear keys, values;
  };
  using Projection = std::function<at::Tensor(const at::Tensor&)>;

  void TakeProjection(const Scope& scope, const NamedTensors& stored, const ClipVisionConfig& vision,
                      const std::string& file);

  int64_t width_ = 0;        // of a token
  bool sees_states_ = true;  // the last states but one, of all patches; else the embedding
  Projection project_;
  std::map<std::string, size_t> layers_;
  std::vector<KeysValues> keys_values_;
};

// Whether a mask is bright where each of so many queries stands, [B, queries, 1]: a picture's pixels by the
// cubic, cut off or filled up with nothing where sides do not divide. mask [B, 1, H, W]. Reference: diffusers
// IPAdapterMaskProcessor.downsample.
at::Tensor MaskOfQueries(const at::Tensor& mask, int64_t queries);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PICTURE_PROMPT_H_
