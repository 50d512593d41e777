#include "worker/diffusion/engine/checkpoint.h"

#include <charconv>

#include "worker/diffusion/engine/hash.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr char kVersion[] = "2";
constexpr int64_t kMaxHistory = 16;
constexpr int64_t kMaxScalars = 16;

std::string HistoryName(size_t index) {
  return "history." + std::to_string(index);
}

const std::string& Metadata(const SafeTensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) throw CheckpointError("the checkpoint lacks \"" + key + "\"");
  return found->second;
}

at::Tensor Latent(const SafeTensors& file, const std::string& name, at::IntArrayRef shape,
                  at::Device device) {
  if (!file.Has(name)) throw CheckpointError("the checkpoint lacks the tensor \"" + name + "\"");
  const at::Tensor tensor = file.Get(name);
  if (tensor.sizes() != shape || tensor.scalar_type() != at::kFloat) {
    throw CheckpointError("the checkpoint's \"" + name +
                          "\" has another shape or type than the request's latents");
  }
  return tensor.to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
}

std::vector<double> Scalars(const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kDouble || tensor.dim() != 1 || tensor.numel() > kMaxScalars) {
    throw CheckpointError("the checkpoint's \"scalars\" are not at most " + std::to_string(kMaxScalars) +
                          " float64 numbers");
  }
  const at::Tensor values = tensor.contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

// Over the step and all names and bytes: samplers trust their own state, so a damaged one must not reach
// them.
std::string Checksum(const std::string& step, const std::map<std::string, at::Tensor>& tensors) {
  uint64_t hash = HashOf(step);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor bytes = tensor.cpu().contiguous();
    hash = HashOf(name, hash);
    hash = HashOf({static_cast<const char*>(bytes.data_ptr()), bytes.nbytes()}, hash);
  }
  return std::to_string(hash);
}

}  // namespace

CheckpointParts CheckpointParts::Of(const SampleState& state) {
  return {.step = state.step,
          .x = state.x,
          .history = state.history,
          .scalars = state.scalars,
          .generator = static_cast<const SeededNoise&>(*state.noise).State()};
}

std::string SerializeCheckpoint(const CheckpointParts& parts, const TrajectoryRequest& request) {
  std::map<std::string, at::Tensor> tensors = {{"x", parts.x}, {"generator", parts.generator}};
  for (size_t i = 0; i < parts.history.size(); ++i) tensors[HistoryName(i)] = parts.history[i];
  if (!parts.scalars.empty()) tensors["scalars"] = at::tensor(parts.scalars, at::kDouble);
  return SerializeSafeTensors(tensors, {{"version", kVersion},
                                        {"step", std::to_string(parts.step)},
                                        {"request", Fingerprint(request)},
                                        {"checksum", Checksum(std::to_string(parts.step), tensors)}});
}

SampleState ParseCheckpoint(std::string_view bytes, const TrajectoryRequest& request, at::IntArrayRef shape,
                            at::Device device) {
  try {
    const SafeTensors file = SafeTensors::Parse(bytes, "checkpoint");
    if (Metadata(file, "version") != kVersion) {
      throw CheckpointError("the checkpoint has version \"" + Metadata(file, "version") + "\", version " +
                            kVersion + " is needed");
    }
    if (Metadata(file, "request") != Fingerprint(request)) {
      throw CheckpointError("the checkpoint belongs to another request: " + Metadata(file, "request"));
    }
    if (Metadata(file, "checksum") != Checksum(Metadata(file, "step"), file.tensors())) {
      throw CheckpointError("the checkpoint is damaged: its checksum does not fit");
    }
    SampleState state;
    const std::string& step = Metadata(file, "step");
    const auto parsed = std::from_chars(step.data(), step.data() + step.size(), state.step);
    if (parsed.ec != std::errc() || parsed.ptr != step.data() + step.size() || state.step < 0 ||
        state.step > request.steps) {
      throw CheckpointError("the checkpoint's step \"" + step + "\" is not 0 to " +
                            std::to_string(request.steps));
    }
    state.x = Latent(file, "x", shape, device);
    for (size_t i = 0; file.Has(HistoryName(i)); ++i) {
      if (i >= kMaxHistory) throw CheckpointError("the checkpoint's history is too long");
      state.history.push_back(Latent(file, HistoryName(i), shape, device));
    }
    if (file.Has("scalars")) state.scalars = Scalars(file.Get("scalars"));
    if (!file.Has("generator")) throw CheckpointError("the checkpoint lacks the generator's state");
    auto noise = std::make_unique<SeededNoise>(request.seed);
    noise->Restore(file.Get("generator"));
    state.noise = std::move(noise);
    return state;
  } catch (const ModelError& e) {  // not a safetensors file
    throw CheckpointError(e.what());
  }
}

}  // namespace mind::diffusion
