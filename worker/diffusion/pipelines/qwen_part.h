// Qwen's language model as a part of a model that need not stay in memory between prompts.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_QWEN_PART_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_QWEN_PART_H_

#include <memory>
#include <string>

#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/weights/names/qwen_names.h"

namespace mind::diffusion {

// From this folder of the directory, as many of its layers as `config` has. Throws ModelError.
inline std::unique_ptr<const Droppable<QwenText>> LoadQwen(const ModelDirectory& directory,
                                                           const std::string& encoder,
                                                           const QwenTextConfig& config,
                                                           const FileParameters::Options& options) {
  return LoadPart<QwenText>(directory, encoder, options,
                            [encoder, config](const ModelDirectory& from, const FileParameters::Options& as) {
                              FileParameters weights(
                                  QwenTextPart(from.ComponentTensors(encoder), config.layers), as);
                              auto made = std::make_unique<const QwenText>(Scope(weights), config);
                              weights.ExpectAllTaken();
                              return made;
                            });
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_QWEN_PART_H_
