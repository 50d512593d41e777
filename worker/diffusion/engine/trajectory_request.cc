#include "worker/diffusion/engine/trajectory_request.h"

#include <nlohmann/json.hpp>

namespace mind::diffusion {

std::string Fingerprint(const TrajectoryRequest& request) {
  const nlohmann::json fields = {{"model", request.model},
                                 {"prompt", request.picture.prompt},
                                 {"negative_prompt", request.picture.negative_prompt},
                                 {"guidance", request.picture.guidance},
                                 {"guidance_rescale", request.picture.guidance_rescale},
                                 {"clip_skip", request.picture.clip_skip},
                                 {"width", request.width},
                                 {"height", request.height},
                                 {"sampler", request.sampler},
                                 {"steps", request.steps},
                                 {"eta", request.eta},
                                 {"seed", request.seed}};
  return fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mind::diffusion
