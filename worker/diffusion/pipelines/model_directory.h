// A model directory: in the diffusers layout (model_index.json and one folder a component), as the report's
// DDPM and GLIDE come, or a cascade of others; or one file of a whole Stable Diffusion model, with or without
// a folder.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_MODEL_DIRECTORY_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_MODEL_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/pipelines/model_info.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/single_file.h"
#include "worker/diffusion/text/tokenizer.h"
#include "worker/diffusion/weights/droppable.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

class ModelDirectory {
 public:
  // Reads model_index.json, config.json, base/config.json or cascade.json, whichever says what the directory
  // is; where none is there, its one file of a whole model says that (single_file.h). `path` may be such a
  // file by itself: what belongs to it (loras/, mind.json …) then lies in the folder of its name without
  // extension, if there is any. Throws ModelError.
  explicit ModelDirectory(std::string path);
  // The same as the second stage of a cascade that begins with `first`.
  ModelDirectory(std::string path, const ModelDirectory& first);

  // Whether a path claims to be a model at all: a directory by a file that says what it is or by one of a
  // whole model, a file by its extension.
  static bool LooksLikeOne(const std::string& path);
  // The paths in a folder that may be models: its folders, but for that of autoencoders (kVaeFolder), and the
  // files that have a model's extension, in name order. Nothing is read of them. Throws as ModelsIn does.
  static std::vector<std::string> CandidatesIn(const std::string& folder);
  // The paths in a folder that claim to be models, in name order. A folder that says itself what it is, and a
  // file, stand for themselves alone. Throws ModelError if the folder cannot be read.
  static std::vector<std::string> ModelsIn(const std::string& folder);

  const std::string& path() const { return path_; }
  // The directory's, or the model's within Hugging Face's cache.
  const std::string& name() const { return name_; }
  const std::string& pipeline_class() const { return pipeline_class_; }

  // The configuration of a component ("unet" → unet/config.json). Throws ModelError.
  Config ComponentConfig(const std::string& component, const std::string& file = "config.json") const;
  // model_index.json, or what a single file of a whole model has in its stead. Throws ModelError.
  Config Index() const;
  // The tokenizer in this folder; of a single file without one CLIP's own. Throws ModelError.
  std::unique_ptr<const Tokenizer> ComponentTokenizer(const std::string& component) const;
  // The languages of its prompts, as far as it tells. Throws ModelError.
  std::vector<std::string> PromptLanguages(const std::string& tokenizer) const;
  // Its weights: an autoencoder's from the file that stands in for it, if there is one; else as ReadComponent
  // finds them; where its folder has none, from the file beside it that holds the component by itself
  // (split_files.h), or else from the single file of the whole model, neither of which is looked at
  // otherwise. Throws ModelError naming what was looked for.
  FileParameters ComponentWeights(const std::string& component, FileParameters::Options options) const;
  // The same as stored, for whoever has them under other names. Throws likewise.
  NamedTensors ComponentTensors(const std::string& component) const;
  // The scheduler's configuration, with the tables beside the model, if there are any. Throws ModelError.
  SamplerConfig ReadSamplerConfig() const;
  // Replaces defaults by those in mind.json, if the directory has one: {"default_steps": 20,
  // "default_guidance": 3, "languages": ["zh", "en"], "variant": "fp16", "precision": "fp32",
  // "prediction_type": "v_prediction"}, our only addition to the layout.
  // Throws ModelError.
  void ApplyDefaults(ModelInfo& info) const;
  // mind.json, in which a family may have keys of its own; empty where there is none. Throws ModelError.
  Config Defaults() const;
  std::string LoraFolder() const;
  // The LoRAs in that: paths of .safetensors files by name, which is the file's without that.
  std::map<std::string, std::string> Loras() const;
  std::vector<std::string> LoraNames() const;
  // The files of learnt words in its embeddings/: likewise, by word.
  std::map<std::string, std::string> LearntWordFiles() const;
  // The networks in its controls/ that pictures steer it by: their folders, by the folders' names.
  std::map<std::string, std::string> Controls() const;
  // The adapters in its ip_adapters/ through which pictures are prompts: paths of .safetensors files by name.
  // Beside them lies what they see pictures through, the folder kPictureEncoder.
  std::map<std::string, std::string> PictureAdapters() const;
  static constexpr char kPictureEncoder[] = "ip_adapters/image_encoder";
  // Of a second stage: the directory of the cascade's first, if that reads the prompts of both, so that this
  // one's text encoder, where it has one, is not loaded; else empty.
  const std::string& text_of() const { return text_of_; }
  // Whether there is a configuration of this component.
  bool HasComponent(const std::string& component) const;
  bool IsCascade() const;
  // The directories of a cascade's stages, two or more, from its cascade.json. Throws ModelError.
  std::vector<std::string> StagePaths() const;
  // The same, read.
  std::vector<ModelDirectory> Stages() const;
  // Where its second stage goes on with the first one's latents (Pipeline::hand_over). Throws ModelError.
  double HandOver() const;
  // The files that loading it reads its weights from, LoRAs aside. Components it does not use
  // (safety_checker) have no part in it, nor have whole models in one file beside components with weights of
  // their own. Throws ModelError.
  std::vector<std::string> WeightFiles() const;
  // What it is computed in where a worker is told to compute in `given`: that, unless its mind.json says that
  // it needs fp32. Throws ModelError.
  Precision PrecisionFor(Precision given) const;
  // Bytes its weights take in memory where a worker computes in `given`, by what they are of: the same number
  // for files of the same content (as far as HashOfFile looks) that are kept in the same type, in whatever
  // model. At most, for a single file may hold what nobody needs. Reads the names and shapes of most files
  // and a sample of their weights. Throws ModelError.
  WeightContents WeightBytesByContent(Precision given) const;
  // The same of its parts that need not stay in memory between uses (droppable.h), each by its component;
  // those that lie in one file with others are none. Throws ModelError.
  std::map<std::string, WeightContents> DroppableParts(Precision given) const;
  // Of one of those; of any other component nothing. Throws ModelError.
  WeightContents PartContents(const std::string& component, Precision given) const;
  // Autoencoders beside the worker's models, which requests may choose in place of a model's own: the
  // .safetensors files in the folder vae/ beside it. Each with what of it does not fit this model's, if
  // anything: the names and shapes of its tensors are to be the same. Reads their headers. Throws ModelError
  // where its own cannot be read.
  std::vector<VaeInfo> Vaes() const;
  // Their paths, by name.
  std::map<std::string, std::string> VaeFiles() const;
  // Of one of these files, kept in float32. Throws ModelError.
  static WeightContents VaeContents(const std::string& path);
  // All of them.
  int64_t WeightBytes(Precision given) const;
  // Differs where another copy of its files, or another `given`, may make other pictures. Reads the small
  // files whole and a sample of those with weights. Throws ModelError.
  std::string Revision(Precision given) const;
  // The folder of a component.
  std::string ComponentPath(const std::string& component) const { return path_ + "/" + component; }

 private:
  // The file beside the components' folders that holds this one by itself; empty: there is none, or the
  // folder has weights, or the directory is one file. Throws ModelError if there are several.
  std::string SplitFile(const std::string& component) const;
  // The files of a component with weights of its own; none where they lie in the single file of the whole
  // model.
  std::vector<std::string> OwnWeightFiles(const std::string& component) const;
  // Whether this folder's tokenizer is CLIP's own, which has no files. Throws ModelError where it cannot be.
  bool TakesPublishedTokenizer(const std::string& component) const;
  // The file that holds all weights under latent diffusion's names, beside the components' folders or the
  // model by itself; empty: there is none. Throws ModelError if there are several.
  std::string WholeFile() const;
  // What stands in for its autoencoder: NAME.vae.safetensors beside the model NAME, or beside a single file
  // of that name in it; empty: nothing does.
  std::string AutoencoderFile() const;

  // Where the autoencoders for all models beside it lie.
  static std::string VaeFolderBeside(const std::string& path);
  // The tensors of its own autoencoder, of which only the shapes count.
  NamedTensors OwnVaeShapes() const;

  std::string path_, name_;
  std::string vae_folder_;
  std::string file_;  // the whole model's, where that was named; else empty
  std::string pipeline_class_;
  std::shared_ptr<const SingleFile> single_;  // where no small file says what the directory is; else null
  std::string text_of_;
};

// What the model offers, from its configuration files alone. Throws ModelError.
ModelInfo DescribeModel(const std::string& path);
ModelInfo DescribeModel(const ModelDirectory& directory);

// Loads the model, to be computed in options.precision or what PrecisionFor makes of it. Takes seconds to
// minutes. Throws ModelError naming the file and what is wrong with it.
std::unique_ptr<const Pipeline> LoadPipeline(const std::string& path, FileParameters::Options options);
// Likewise a cascade's stage; `first`: the loaded first one, null for that itself.
std::unique_ptr<const Pipeline> LoadStage(const ModelDirectory& directory, FileParameters::Options options,
                                          const Pipeline* first);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_MODEL_DIRECTORY_H_
