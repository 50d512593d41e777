// A Stable Diffusion model in one file, without the small files that the diffusers layout has beside it: what
// they would say, worked out from the names and shapes of its tensors and from how it marks itself. Stable
// Diffusion 1 and 2 and SDXL (base and refiner), each for text, inpainting or editing, and 2 with depth;
// Stable unCLIP, the x4 upscaler, and Playground 2.5.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_SINGLE_FILE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_SINGLE_FILE_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace mind::diffusion {

struct SingleFile {
  // Whether a file holds what may be read so: at least a UNet under latent diffusion's names; or FLUX.1's
  // transformer, of which Read says what it lacks. Throws ModelError where it cannot be read.
  static bool IsOne(const std::string& path);
  // Reads names and shapes, and a few numbers where those decide. `vae`: the file of an autoencoder that
  // stands in for its own; empty: none. Throws ModelError naming the file and what of it is not known.
  static SingleFile Read(const std::string& path, const std::string& vae);

  std::string pipeline_class;
  // By the folder that the diffusers layout has them in: configurations of the parts that the file holds, and
  // "scheduler". What is not here has to lie beside it.
  std::map<std::string, nlohmann::json> configs;
  nlohmann::json index;  // model_index.json
  // By "tokenizer" and "tokenizer_2": the token that prompts of CLIP's own vocabulary are padded with.
  std::map<std::string, std::string> padding;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_SINGLE_FILE_H_
