#include "worker/diffusion/engine/checkpoint.h"

#include <charconv>

#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr char kVersion[] = "4";
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

int64_t HeaderNumber(const SafeTensors& file, const std::string& key, int64_t most) {
  const std::string& text = Metadata(file, key);
  int64_t number = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number < 0 || number > most) {
    throw CheckpointError("the checkpoint's " + key + " \"" + text + "\" is not 0 to " +
                          std::to_string(most));
  }
  return number;
}

// What the stage before has handed over.
at::Tensor StageSource(const SafeTensors& file, const TrajectoryRequest& request, const Stage& stage_before) {
  const Pipeline& before = *stage_before.pipeline;
  if (stage_before.hands_result) return Latent(file, "stage_source", stage_before.shape, at::kCPU);
  if (!file.Has("stage_source")) throw CheckpointError("the checkpoint lacks the tensor \"stage_source\"");
  const at::Tensor picture = file.Get("stage_source");
  const std::vector<int64_t> source = before.SourceSize(request.width, request.height);
  const int64_t larger = before.info().enlargement;
  if (picture.scalar_type() != at::kByte ||
      picture.sizes() != at::IntArrayRef({source[1] * larger, source[0] * larger, 3})) {
    throw CheckpointError(
        "the checkpoint's \"stage_source\" has another shape or type than the stage before");
  }
  return picture.clone();
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

CheckpointParts CheckpointParts::Of(const Trajectory& trajectory) {
  const SampleState& state = trajectory.state;
  return {.stage = trajectory.stage_number,
          .stage_source = trajectory.stage_source,
          .step = state.step,
          .x = state.x,
          .history = state.history,
          .scalars = state.scalars,
          .generator = static_cast<const SeededNoise&>(*state.noise).State(),
          .guidance = trajectory.guidance};
}

std::string SerializeCheckpoint(const CheckpointParts& parts, const Trajectory& trajectory) {
  std::map<std::string, at::Tensor> tensors = {{"x", parts.x}, {"generator", parts.generator}};
  for (size_t i = 0; i < parts.history.size(); ++i) tensors[HistoryName(i)] = parts.history[i];
  if (!parts.scalars.empty()) tensors["scalars"] = at::tensor(parts.scalars, at::kDouble);
  if (parts.stage_source.defined()) tensors["stage_source"] = parts.stage_source;
  if (parts.guidance.defined()) tensors["guidance"] = parts.guidance;
  // Once: the checksum reads them too, and each copy from a device waits for what it is at.
  for (auto& [name, tensor] : tensors) tensor = tensor.cpu();
  const std::string stage = std::to_string(parts.stage), step = std::to_string(parts.step);
  return SerializeSafeTensors(tensors, {{"version", kVersion},
                                        {"stage", stage},
                                        {"step", step},
                                        {"request", trajectory.fingerprint},
                                        {"model_revision", trajectory.model_revision()},
                                        {"checksum", Checksum(stage + " " + step, tensors)}});
}

Checkpoint ParseCheckpoint(std::string_view bytes, const Trajectory& trajectory) {
  const TrajectoryRequest& request = trajectory.request;
  const std::vector<Stage>& stages = trajectory.stages;
  try {
    const SafeTensors file = SafeTensors::Parse(bytes, "checkpoint");
    if (Metadata(file, "version") != kVersion) {
      throw CheckpointError("the checkpoint has version \"" + Metadata(file, "version") + "\", version " +
                            kVersion + " is needed");
    }
    if (Metadata(file, "request") != trajectory.fingerprint) {
      throw CheckpointError("the checkpoint belongs to another request");  // whose prompt is not for logs
    }
    if (Metadata(file, "model_revision") != trajectory.model_revision()) {
      throw CheckpointError("the checkpoint was made by another revision of the model \"" + request.model +
                            "\": " + Metadata(file, "model_revision") + ", here it is " +
                            trajectory.model_revision());
    }
    if (Metadata(file, "checksum") !=
        Checksum(Metadata(file, "stage") + " " + Metadata(file, "step"), file.tensors())) {
      throw CheckpointError("the checkpoint is damaged: its checksum does not fit");
    }
    Checkpoint checkpoint;
    checkpoint.stage =
        static_cast<size_t>(HeaderNumber(file, "stage", static_cast<int64_t>(stages.size()) - 1));
    const Stage& stage = stages[checkpoint.stage];
    const std::vector<int64_t>& shape = stage.shape;
    const at::Device device = stage.pipeline->device();
    SampleState& state = checkpoint.state;
    state.step = HeaderNumber(file, "step", stage.end);
    if (checkpoint.stage > 0 && !stage.continues_latents)
      checkpoint.stage_source = StageSource(file, request, stages[checkpoint.stage - 1]);
    state.x = Latent(file, "x", shape, device);
    for (size_t i = 0; file.Has(HistoryName(i)); ++i) {
      if (i >= kMaxHistory) throw CheckpointError("the checkpoint's history is too long");
      state.history.push_back(Latent(file, HistoryName(i), shape, device));
    }
    if (file.Has("guidance")) checkpoint.guidance = Latent(file, "guidance", shape, device);
    if (file.Has("scalars")) state.scalars = Scalars(file.Get("scalars"));
    if (!file.Has("generator")) throw CheckpointError("the checkpoint lacks the generator's state");
    auto noise = std::make_unique<SeededNoise>(request.seed);
    noise->Restore(file.Get("generator"));
    state.noise = std::move(noise);
    return checkpoint;
  } catch (const ModelError& e) {  // not a safetensors file
    throw CheckpointError(e.what());
  }
}

}  // namespace mind::diffusion
