// What mind-trajectory has found out about a model, stored beside it as sampler_tables.json.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_SAMPLER_TABLES_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_SAMPLER_TABLES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

struct SamplerTables {
  static constexpr char kFileName[] = "sampler_tables.json";

  std::map<int64_t, std::vector<int64_t>> optimal_timesteps;  // by step count, noisiest first
  std::vector<double> x0_errors;  // E|x0 - estimate of x0|² / dimensions at each training step

  // Puts them into the model's configuration. Throws ModelError naming what does not fit the model.
  static void AddTo(SamplerConfig& config, const std::string& path);
  // Throws ModelError.
  void Write(const std::string& path) const;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_SAMPLER_TABLES_H_
