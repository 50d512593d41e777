#include "worker/image/a1111_sampler.h"

#include <map>
#include <string_view>

namespace mind::image {

A1111Sampler A1111SamplerOf(const std::string& ours) {
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
  constexpr std::string_view kKarras = "_karras";
  A1111Sampler theirs{.name = ours};
  theirs.karras = ours.size() > kKarras.size() && ours.ends_with(kKarras);
  if (theirs.karras) theirs.name.resize(ours.size() - kKarras.size());
  const auto found = names->find(theirs.name);
  if (found != names->end()) theirs.name = found->second;
  return theirs;
}

}  // namespace mind::image
