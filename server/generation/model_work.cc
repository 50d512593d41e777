#include "server/generation/model_work.h"

#include <map>
#include <string>
#include <utility>

namespace mind::server {

internal::v1::ListWorkResponse WorkOf(const Dispatcher& dispatcher) {
  std::map<std::string, internal::v1::ModelWork> models;
  for (const auto& [model, waiting] : dispatcher.queue().ByModel()) {
    models[model].set_waiting_jobs(waiting.jobs);
    models[model].set_waiting_seconds(waiting.cost_seconds);
  }
  for (const auto& [model, jobs] : dispatcher.RunningByModel()) models[model].set_running_jobs(jobs);
  for (const auto& [model, seconds] : dispatcher.RunningSeconds()) models[model].set_running_seconds(seconds);
  internal::v1::ListWorkResponse response;
  for (auto& [name, work] : models) {
    work.set_model(name);
    *response.add_models() = std::move(work);
  }
  return response;
}

}  // namespace mind::server
