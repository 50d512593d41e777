// Which files and folders lie where a model directory looks for them. What is not there or cannot be read is
// taken as absent.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_MODEL_FILES_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_MODEL_FILES_H_

#include <map>
#include <string>
#include <vector>

namespace mind::diffusion {

inline constexpr char kSafeTensors[] = ".safetensors";
// Of the file of an autoencoder that stands in for a model's own, after the model's name.
inline constexpr char kAutoencoderFile[] = ".vae.safetensors";

// Beside models: the folder of autoencoders that requests may choose for any of them.
inline constexpr char kVaeFolder[] = "vae";

// Of a component's folder its configuration; of a cascade's what says that it is one.
inline constexpr char kConfigFile[] = "/config.json", kCascadeFile[] = "/cascade.json";

// Beside a model's parts: its LoRAs, and the files of its learnt words.
inline constexpr char kLoraFolder[] = "loras", kLearntWordFolder[] = "embeddings";

bool IsFile(const std::string& path);
// Whether a component's folder has weights of its own.
bool HasWeights(const std::string& folder);
// The .safetensors files in a folder by their names without that.
std::map<std::string, std::string> SafeTensorsIn(const std::string& folder);
// Whether a model may be read from a file of this name: weights, configurations, vocabularies.
bool IsModelFile(const std::string& path);
// The file's size and when it was last written: of another where it has been replaced.
std::string StampOfFile(const std::string& path);
// The files in a folder that may hold a whole model, in name order.
std::vector<std::string> WholeModelsIn(const std::string& folder);
// Whether a file may hold one, by its name.
bool MayBeWholeModel(const std::string& path);
// In a folder of Hugging Face's cache ("models--org--name") the snapshot that refs/main names; empty for any
// other folder.
std::string SnapshotIn(const std::string& path);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_MODEL_FILES_H_
