#include "worker/link/maker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "worker/diffusion/error.h"
#include "worker/link/convert.h"
#include "worker/link/vae_hashes.h"

namespace mind {

std::vector<v1::Model> EngineMaker::Models() const {
  std::vector<v1::Model> models;
  for (const diffusion::ModelInfo& info : models_.models()) models.push_back(ToProto(info));
  return models;
}

v1::Capacity EngineMaker::Capacity() const {
  v1::Capacity capacity;
  for (const std::string& name : models_.LoadedNames()) capacity.add_loaded_models(name);
  const std::map<std::string, double> scorer_rows = engine_.ScorerRows();
  for (const auto& [model, seconds] : engine_.RowSeconds()) {
    v1::ModelSpeed* const speed = capacity.add_speeds();
    speed->set_model(model);
    speed->set_row_seconds(seconds);
    if (const auto rows = scorer_rows.find(model); rows != scorer_rows.end())
      speed->set_scorer_rows(rows->second);
  }
  capacity.set_last_step_age_ms(static_cast<uint64_t>(engine_.LastStepAge().count()));
  const StepRate::Rate rate = metrics_.steps_now();
  capacity.set_steps_per_second(rate.steps_per_second);
  capacity.set_batch_rows(rate.batch_rows);
  return capacity;
}

// Between the server's knowing of an autoencoder and the request somebody may have put another in its place.
void EngineMaker::ExpectVae(const diffusion::TrajectoryRequest& request) const {
  const auto& [name, hash] = request.vae;
  if (name.empty()) return;
  const std::vector<diffusion::ModelInfo> models = models_.models();
  const auto model = std::find_if(models.begin(), models.end(),
                                  [&](const diffusion::ModelInfo& one) { return one.name == request.model; });
  if (model == models.end() || HasVae(*model, name, hash))
    return;  // the engine says what is wrong with the model
  throw diffusion::ModelError(absl::StrCat("this worker has no autoencoder \"", name, "\" of hash ", hash,
                                           " beside \"", request.model, "\""));
}

uint64_t EngineMaker::Submit(diffusion::TrajectoryRequest request,
                             std::shared_ptr<diffusion::TrajectoryEvents> events) {
  ExpectVae(request);
  return engine_.Submit(std::move(request), std::move(events));
}

}  // namespace mind
