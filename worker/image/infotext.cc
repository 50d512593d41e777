#include "worker/image/infotext.h"

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace mind::image {
namespace {

std::string SamplerName(const std::string& ours) {
  static const std::map<std::string, std::string>* const names =
      new std::map<std::string, std::string>{{"ddim", "DDIM"},
                                             {"pndm", "PLMS"},
                                             {"euler", "Euler"},
                                             {"euler_a", "Euler a"},
                                             {"heun", "Heun"},
                                             {"lms", "LMS"},
                                             {"dpm2", "DPM2"},
                                             {"dpm2_a", "DPM2 a"},
                                             {"dpmpp_sde", "DPM++ SDE"},
                                             {"dpmpp_2m", "DPM++ 2M"},
                                             {"dpmpp_2m_sde", "DPM++ 2M SDE"},
                                             {"unipc", "UniPC"},
                                             {"dpm_adaptive", "DPM adaptive"},
                                             {"lcm", "LCM"}};
  const auto found = names->find(ours);
  return found == names->end() ? ours : found->second;
}

// Values with a comma, colon or newline are quoted as JSON, or the reader would split them.
std::string Quoted(const std::string& value) {
  if (value.find_first_of(",:\n") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string FormatInfotext(const Infotext& info) {
  constexpr std::string_view kKarras = "_karras";
  std::string sampler = info.sampler;
  const bool karras = sampler.size() > kKarras.size() && sampler.ends_with(kKarras);
  if (karras) sampler.resize(sampler.size() - kKarras.size());

  std::ostringstream out;
  out << info.prompt << "\n";
  if (!info.negative_prompt.empty()) out << "Negative prompt: " << info.negative_prompt << "\n";
  out << "Steps: " << info.steps << ", Sampler: " << Quoted(SamplerName(sampler));
  if (karras) out << ", Schedule type: Karras";
  if (!info.sampler_parameters.empty()) out << ", Sampler parameters: " << Quoted(info.sampler_parameters);
  out << ", CFG scale: " << nlohmann::json(info.guidance).dump() << ", Seed: " << info.seed
      << ", Size: " << info.width << "x" << info.height << ", Model: " << Quoted(info.model);
  if (info.strength > 0) out << ", Denoising strength: " << nlohmann::json(info.strength).dump();
  if (info.clip_skip > 0) out << ", Clip skip: " << info.clip_skip + 1;  // A1111 counts layers from 1
  if (info.guidance_rescale > 0) out << ", CFG Rescale: " << nlohmann::json(info.guidance_rescale).dump();
  if (!info.class_label.empty()) out << ", Class: " << Quoted(info.class_label);
  if (info.noise_level >= 0) out << ", Noise level: " << info.noise_level;
  out << ", RNG: CPU, Version: " << Quoted(info.version);
  return out.str();
}

}  // namespace mind::image
