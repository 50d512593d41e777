#include "worker/diffusion/pipelines/guidance.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/models/latent_tokens.h"

namespace mind::diffusion {

namespace {

// Where the adaptive scale of diffusers begins to fall, whatever the model was trained on.
constexpr double kNoisiest = 1000;

// As torch's normalize has it: less than that counts as this.
constexpr double kLeastNorm = 1e-12;

// Of what leads from the one answer to `with`, the request's own.
at::Tensor ProjectedLead(at::Tensor lead, const at::Tensor& with, const Projection& how,
                         GuidanceMemory& memory) {
  if (how.momentum != 0) {
    if (memory.defined()) lead = lead + how.momentum * memory;
    memory = lead;
  }
  if (how.longest > 0) lead = lead * (how.longest / lead.norm()).clamp_max(1);
  const at::Tensor whole = lead.to(at::kDouble), own = with.to(at::kDouble);
  const at::Tensor direction = own / own.norm().clamp_min(kLeastNorm);
  const at::Tensor along = (whole * direction).sum() * direction;
  return (whole - along).to(lead.scalar_type()) + how.along * along.to(lead.scalar_type());
}

// Each patch as long as that of `with`.
at::Tensor WithNormsOf(const at::Tensor& with, const at::Tensor& guided, int64_t patch) {
  const auto tokens = [&](const at::Tensor& x) {
    return TokensOf(x.unsqueeze(0), patch, TokenOrder::kByChannel);
  };
  const at::Tensor made = tokens(guided);
  const auto lengths = [](const at::Tensor& x) { return at::norm(x, 2, {-1}, /*keepdim=*/true); };
  const at::Tensor scaled = made * (lengths(tokens(with)) / lengths(made).clamp_min(kLeastNorm));
  return LatentsOfTokens(scaled, guided.size(1) / patch, guided.size(2) / patch, patch,
                         TokenOrder::kByChannel)
      .squeeze(0);
}

}  // namespace

int64_t PerturbedSteps::Count(int64_t from, int64_t to, int64_t of) const {
  const auto steps = static_cast<double>(of);
  const int64_t first = after < 0 ? 0 : static_cast<int64_t>(std::floor(after * steps)) + 1;
  const auto end = static_cast<int64_t>(std::ceil(before * steps));
  return std::max<int64_t>(std::min(to, end) - std::max(from, first), 0);
}

at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs, double timestep,
                 GuidanceMemory& memory) {
  return Guide(conditioning, outputs, timestep, memory, conditioning.perturbed_guidance > 0);
}

at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs, double timestep,
                 GuidanceMemory& memory, bool perturbed) {
  if (outputs.size() == 1) return outputs[0];
  const size_t rows = outputs.size() - (perturbed ? 1 : 0);
  if (const int64_t channels = conditioning.guided_channels; channels > 0) {
    Conditioning all = conditioning;
    all.guided_channels = 0;
    std::vector<at::Tensor> guided;
    for (const at::Tensor& output : outputs) guided.push_back(output.slice(0, 0, channels));
    return at::cat({Guide(all, guided, timestep, memory, perturbed), outputs[rows - 1].slice(0, channels)});
  }
  const at::Tensor& with = outputs[rows - 1];
  at::Tensor guided = with;
  if (rows > 1) {
    const at::Tensor& without = outputs[rows - 2];
    const Projection& projection = conditioning.guidance.projection;
    at::Tensor lead = with - without;
    if (!projection.none()) lead = ProjectedLead(lead, with, projection, memory);
    guided = outputs.front() + conditioning.guidance.scale * lead;
    if (rows > 2) guided = guided + conditioning.picture_guidance * (without - outputs.front());
    if (conditioning.longest > 0)
      guided = guided * (conditioning.longest * with.norm() / guided.norm()).clamp_max(1);
    if (conditioning.kept_norms > 0) guided = WithNormsOf(with, guided, conditioning.kept_norms);
  }
  if (perturbed) {
    const double scale =
        conditioning.perturbed_guidance - conditioning.perturbed_fall * (kNoisiest - timestep);
    guided = guided + std::max(scale, 0.0) * (with - outputs.back());
  }
  const double rescale = conditioning.guidance.rescale;
  if (rescale == 0) return guided;
  const at::Tensor rescaled = guided * (with.std() / guided.std());
  return rescale * rescaled + (1 - rescale) * guided;
}

bool Conditioning::PerturbedAt(CallNumber call) const {
  return perturbed_guidance > 0 && perturbed_steps.Has(call.step, call.steps);
}

size_t Conditioning::RowCountAt(CallNumber call) const {
  return 1 + (guidance.steps.Has(call.step, call.steps) ? GuidingRows() : 0) + (PerturbedAt(call) ? 1 : 0);
}

double Conditioning::MeanRows(int64_t from, int64_t to, int64_t steps) const {
  if (rows.empty()) return 0;
  const auto share = [&](const auto& acting) {
    return static_cast<double>(acting.Count(from, to, steps)) / static_cast<double>(to - from);
  };
  return 1 + static_cast<double>(GuidingRows()) * share(guidance.steps) +
         (perturbed_guidance > 0 ? share(perturbed_steps) : 0);
}

std::vector<Told> Conditioning::RowsAt(CallNumber call) const {
  const size_t own = GuidingRows(), count = RowCountAt(call);
  const size_t first = guidance.steps.Has(call.step, call.steps) ? 0 : own;
  std::vector<Told> now;
  for (size_t row = first; row < first + count; ++row) now.push_back(rows[row].At(call.number, call.of));
  return now;
}

at::Tensor EvaluateAlone(const Denoiser& denoiser, const Conditioning& conditioning, const at::Tensor& x,
                         double timestep) {
  GuidanceMemory none;
  return Guide(conditioning, EvaluateRows(denoiser, conditioning, x, timestep), timestep, none);
}

std::vector<at::Tensor> EvaluateRows(const Denoiser& denoiser, const Conditioning& conditioning,
                                     const at::Tensor& x, double timestep) {
  const AdapterScope scope({conditioning.adapters});
  std::vector<at::Tensor> outputs;
  for (const Told& row : conditioning.rows) {
    const DenoiserInput input{.sample = x.unsqueeze(0),
                              .timestep = at::full({1}, timestep, x.options()),
                              .told = Told::Stack({&row})};
    outputs.push_back(denoiser(input).squeeze(0));
  }
  return outputs;
}

}  // namespace mind::diffusion
