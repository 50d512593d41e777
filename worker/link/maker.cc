#include "worker/link/maker.h"

#include "worker/link/convert.h"

namespace mind {

std::vector<v1::Model> EngineMaker::Models() const {
  std::vector<v1::Model> models;
  for (const diffusion::ModelInfo& info : models_.models()) models.push_back(ToProto(info));
  return models;
}

v1::Capacity EngineMaker::Capacity() const {
  v1::Capacity capacity;
  for (const std::string& name : models_.LoadedNames()) capacity.add_loaded_models(name);
  for (const auto& [model, seconds] : engine_.RowSeconds()) {
    v1::ModelSpeed* const speed = capacity.add_speeds();
    speed->set_model(model);
    speed->set_row_seconds(seconds);
  }
  capacity.set_last_step_age_ms(static_cast<uint64_t>(engine_.LastStepAge().count()));
  const StepRate::Rate rate = metrics_.steps_now();
  capacity.set_steps_per_second(rate.steps_per_second);
  capacity.set_batch_rows(rate.batch_rows);
  return capacity;
}

uint64_t EngineMaker::Submit(diffusion::TrajectoryRequest request,
                             std::shared_ptr<diffusion::TrajectoryEvents> events) {
  return engine_.Submit(std::move(request), std::move(events));
}

}  // namespace mind
