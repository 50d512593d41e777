#include "worker/training/run_state.h"

#include <charconv>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::training {
namespace {

constexpr char kStep[] = "step", kRun[] = "run";

struct Part {
  const char* prefix;
  const Tensors& tensors;
};

std::vector<Part> PartsOf(const Learner& learner) {
  return {{"parameter.", learner.parameters.tensors()},
          {"mean.", learner.optimizer.means()},
          {"square.", learner.optimizer.squares()},
          {"average.", learner.average.tensors()}};
}

}  // namespace

std::string SerializeState(const Learner& learner, int64_t step, const std::string& run) {
  const at::NoGradGuard no_grad;
  Tensors all;
  for (const Part& part : PartsOf(learner)) {
    for (const auto& [name, tensor] : part.tensors) all[part.prefix + name] = tensor.detach();
  }
  return diffusion::SerializeSafeTensors(all, {{kStep, std::to_string(step)}, {kRun, run}});
}

int64_t RestoreState(const std::string& path, const std::string& run, const Learner& learner) {
  const diffusion::SafeTensors file = diffusion::SafeTensors::Open(path);
  const auto about = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (about(kRun) != run) {
    throw diffusion::ModelError(
        path +
        ": of a run with another configuration; go on with the one it was begun with, or "
        "begin in another folder");
  }
  int64_t step = -1;
  const std::string text = about(kStep);
  std::from_chars(text.data(), text.data() + text.size(), step);
  if (step < 0) throw diffusion::ModelError(path + ": says nothing of its step");
  const diffusion::NamedTensors tensors{path, file.tensors()};
  for (const Part& part : PartsOf(learner)) CopyInto(part.tensors, tensors.Under(part.prefix).tensors, path);
  return step;
}

}  // namespace mind::training
