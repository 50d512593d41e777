// The adapters beside a loaded model through which pictures are prompts: IP-Adapters.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_PROMPT_LIBRARY_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_PROMPT_LIBRARY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/picture_prompt.h"
#include "worker/diffusion/pipelines/guidance.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/pipelines/start.h"

namespace mind::diffusion {

// Those in a model's ip_adapters/, by the files' names, and the image encoder that they share. Loaded with
// the model and as long in memory as it is. Immutable after construction; any thread may call, under
// inference mode.
class PicturePromptLibrary {
 public:
  // Throws ModelError where one does not fit the UNet or the encoder.
  PicturePromptLibrary(const ModelDirectory& directory, const UNetConfig& unet,
                       FileParameters::Options options);

  // Tells the rows of one picture what its prompts are: the last, which is the request's own, the pictures,
  // the others that there are none. Slow. Throws RequestError.
  void Tell(const std::vector<PromptPicture>& pictures, Conditioning& conditioning) const;

  // For whoever checks it. REQUIRES: there is an adapter.
  const PictureEncoder& encoder() const { return *encoder_; }

 private:
  PicturePrompt PromptOf(const PicturePrompter& prompter, const std::vector<PromptPicture>& pictures) const;
  // [layers], of one picture.
  at::Tensor WeightsOf(const PicturePrompter& prompter, const PromptPicture& picture) const;

  const FileParameters::Options options_;
  std::unique_ptr<const PictureEncoder> encoder_;  // null: there are no adapters
  std::map<std::string, std::unique_ptr<const PicturePrompter>> prompters_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_PROMPT_LIBRARY_H_
