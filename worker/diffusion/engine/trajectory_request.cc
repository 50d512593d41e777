#include "worker/diffusion/engine/trajectory_request.h"

#include <nlohmann/json.hpp>

#include "worker/diffusion/engine/hash.h"

namespace mind::diffusion {

std::string Fingerprint(const TrajectoryRequest& request) {
  nlohmann::json parameters = nlohmann::json::object();
  for (const auto& [name, value] : request.sampler_parameters) {
    std::visit([&, &name = name](const auto& held) { parameters[name] = held; }, value);
  }
  nlohmann::json loras = nlohmann::json::array();
  for (const LoraUse& lora : request.picture.loras) loras.push_back({lora.name, lora.scale});
  const nlohmann::json fields = {{"model", request.model},
                                 {"prompt", request.picture.prompt},
                                 {"negative_prompt", request.picture.negative_prompt},
                                 {"guidance", request.picture.guidance},
                                 {"guidance_rescale", request.picture.guidance_rescale},
                                 {"clip_skip", request.picture.clip_skip},
                                 {"label", request.picture.label.value_or(-1)},
                                 {"noise_level", request.picture.noise_level},
                                 {"loras", loras},
                                 {"width", request.width},
                                 {"height", request.height},
                                 {"sampler", request.sampler},
                                 {"steps", request.steps},
                                 {"sampler_parameters", parameters},
                                 {"seed", request.seed},
                                 {"source", HashOf(request.source)},
                                 {"mask", HashOf(request.mask)},
                                 {"depth", HashOf(request.depth)},
                                 {"strength", request.strength}};
  return fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mind::diffusion
