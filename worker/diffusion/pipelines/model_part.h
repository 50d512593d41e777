// A part of a model that need not stay in memory between uses, as it is loaded from the model's directory.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_MODEL_PART_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_MODEL_PART_H_

#include <memory>
#include <string>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/droppable.h"

namespace mind::diffusion {

// The component, which `load` makes of the directory, with these options: now, and whenever it was dropped
// since. It stays where options.room is null, and where it is none of DroppableParts. What was replaced on
// the disk since is not taken: using it then throws ModelError.
template <typename Network, typename Load>
std::unique_ptr<const Droppable<Network>> LoadPart(const ModelDirectory& directory,
                                                   const std::string& component,
                                                   const FileParameters::Options& options, Load load) {
  const WeightContents contents =
      options.room == nullptr ? WeightContents() : directory.PartContents(component, options.precision);
  RoomForParts* const room = contents.empty() ? nullptr : options.room;
  return std::make_unique<const Droppable<Network>>(component, contents, room, [=] {
    const c10::InferenceMode inference;
    if (room != nullptr && directory.PartContents(component, options.precision) != contents)
      throw ModelError(directory.ComponentPath(component) +
                       ": its files have changed since they were looked at");
    return load(directory, options);
  });
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_MODEL_PART_H_
