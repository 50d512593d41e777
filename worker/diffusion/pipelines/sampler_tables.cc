#include "worker/diffusion/pipelines/sampler_tables.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

// One entry of optimal_timesteps: the step count and its timesteps.
std::pair<int64_t, std::vector<int64_t>> TableEntry(const Config& config, const std::string& count,
                                                    const nlohmann::json& list, int64_t train_steps) {
  const std::string key = "optimal_timesteps";
  const std::string wanted = "for each step count that many falling whole numbers below num_train_timesteps";
  int64_t steps = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), steps);
  if (error != std::errc() || end != count.data() + count.size() || !list.is_array() ||
      list.size() != static_cast<size_t>(steps)) {
    config.Unsupported(key, wanted);
  }
  std::vector<int64_t> timesteps;
  for (const auto& entry : list) {
    if (!entry.is_number_integer()) config.Unsupported(key, wanted);
    const int64_t t = entry.get<int64_t>();
    if (t < 0 || t >= (timesteps.empty() ? train_steps : timesteps.back())) config.Unsupported(key, wanted);
    timesteps.push_back(t);
  }
  return {steps, timesteps};
}

}  // namespace

void SamplerTables::AddTo(SamplerConfig& c, const std::string& path) {
  const Config config = Config::FromFile(path);
  if (!config.Unset("optimal_timesteps")) {
    if (!config.at("optimal_timesteps").is_object()) config.Unsupported("optimal_timesteps", "an object");
    for (const auto& [count, list] : config.at("optimal_timesteps").items()) {
      c.optimal_timesteps.insert(TableEntry(config, count, list, c.train_steps));
    }
  }
  if (config.Unset("x0_errors")) return;
  const nlohmann::json& errors = config.at("x0_errors");
  if (!errors.is_array() || errors.size() != static_cast<size_t>(c.train_steps) ||
      !std::all_of(errors.begin(), errors.end(), [](const auto& e) { return e.is_number() && e >= 0; })) {
    config.Unsupported("x0_errors", "num_train_timesteps numbers, none negative");
  }
  c.x0_errors = errors.get<std::vector<double>>();
}

void SamplerTables::Write(const std::string& path) const {
  nlohmann::json json = {{"optimal_timesteps", nlohmann::json::object()}, {"x0_errors", x0_errors}};
  for (const auto& [steps, timesteps] : optimal_timesteps) {
    json["optimal_timesteps"][std::to_string(steps)] = timesteps;
  }
  std::ofstream file(path);
  file << json.dump() << "\n";
  file.close();
  if (!file) throw ModelError(path + ": cannot be written");
}

}  // namespace mind::diffusion
