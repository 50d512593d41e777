// The kinds of models that are known: by the pipeline class that a directory names, what describes and loads
// one. A new kind is one more row of the table.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PIPELINE_KINDS_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PIPELINE_KINDS_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/pipelines/model_info.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

class ModelDirectory;

// The class of a cascade of other models.
inline constexpr char kCascadeClass[] = "Cascade";

struct PipelineKind {
  const char* pipeline_class;
  ModelInfo (*describe)(const ModelDirectory&);
  std::unique_ptr<const Pipeline> (*load)(const ModelDirectory&, FileParameters::Options);
  // The folders, from the model's own, that it loads weights from, as far as they are there.
  std::vector<std::string> weights;
  // Of these, those whose networks need not stay in memory between uses.
  std::vector<std::string> droppable = {};
  // As the second stage of a cascade whose first is of this class: with that one's text encoder.
  const char* text_of = nullptr;
  std::unique_ptr<const Pipeline> (*load_beside)(const ModelDirectory&, FileParameters::Options,
                                                 const Pipeline& first) = nullptr;
};

// The kind of this class. Throws UnsupportedError naming `path`, whose class it is, and the classes there
// are.
const PipelineKind& KindOfPipeline(const std::string& pipeline_class, const std::string& path);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PIPELINE_KINDS_H_
