#include "client/cli/commands.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/outcome.h"
#include "client/cli/output.h"
#include "client/cli/print.h"
#include "client/cli/progress.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::cli {
namespace {

constexpr size_t kMaxList = 100'000;  // bytes

// What the server says, for one line of a terminal.
std::string Shown(const std::string& text, size_t limit = 1000) {
  std::string line = Printable(text, limit);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

void SayModel(const v1::Job& job) {
  std::fprintf(stderr, "mind: model %s\n", Shown(job.spec().model()).c_str());
}

int Refuse(const std::string& why) {
  std::fprintf(stderr, "mind: %s\n", why.c_str());
  return kUsage;
}

// Collects a job's pictures into files, and prints what there is to print.
class Collector {
 public:
  Collector(const Common& common, Output out)
      : common_(common), out_(std::move(out)), progress_(common.json) {}

  client::Handlers Handlers() {
    return {.event =
                [this](const v1::JobEvent& event) {
                  job_id_ = event.job_id();
                  if (event.has_queued()) OnQueued(event.queued().job());
                  if (common_.json && !event.has_preview()) PrintJson(event);
                  progress_.Show(event);
                },
            .picture =
                [this](client::Picture picture) {
                  const std::string name = out_.FileName(job_id_, picture, count_);
                  if (out_.Save(name, picture.data)) {
                    files_.push_back(name);
                    return;
                  }
                  std::fprintf(stderr, "mind: cannot write %s; `mind get %s` fetches it again\n",
                               name.c_str(), Shown(job_id_).c_str());
                  write_failed_ = true;
                }};
  }

  void Know(const v1::Job& job) {
    job_id_ = job.id();
    count_ = job.spec().image_count();
  }
  // The request leaves the choice of the model to the server: say which it was.
  void NameTheModel() { model_to_name_ = true; }

  int Finish(const absl::StatusOr<v1::Job>& job) {
    if (!job.ok()) return ReportError(job.status(), common_);
    if (job->has_error()) return ReportError(FromProto(job->error()), common_);
    if (!common_.json && !out_.is_stdout()) {
      for (const std::string& file : files_) std::printf("%s\n", file.c_str());
    }
    return write_failed_ ? kFailed : kOk;
  }

 private:
  void OnQueued(const v1::Job& job) {
    Know(job);
    if (model_to_name_ && !common_.json) SayModel(job);
    model_to_name_ = false;
  }

  const Common& common_;
  const Output out_;
  Progress progress_;
  std::string job_id_;
  uint32_t count_ = 1;
  std::vector<std::string> files_;
  bool write_failed_ = false;
  bool model_to_name_ = false;
};

// What a parameter may be, and after "=" what it is by default.
std::string Allowed(const v1::SamplerParameter& parameter) {
  const google::protobuf::Value& value = parameter.default_value();
  switch (parameter.kind()) {
    case v1::PARAMETER_KIND_FLAG:
      return absl::StrCat("true|false = ", value.bool_value() ? "true" : "false");
    case v1::PARAMETER_KIND_CHOICE:
      return absl::StrCat(absl::StrJoin(parameter.choices(), "|"), " = ", value.string_value());
    case v1::PARAMETER_KIND_NUMBERS:
      return absl::StrCat("N,N,… falling, ", parameter.min(), " to ", parameter.max());
    default:
      return absl::StrCat(parameter.min(), " to ", parameter.max(), " = ", value.number_value());
  }
}

int DryRun(client::Client& client, const Common& common, const v1::JobRequest& request) {
  const absl::StatusOr<v1::CreateJobResponse> checked = client.Check(request);
  if (!checked.ok()) return ReportError(checked.status(), common);
  if (common.json) {
    PrintJson(*checked);
    return kOk;
  }
  const v1::JobEstimate& estimate = checked->estimate();
  const auto about = [](bool known, const google::protobuf::Duration& duration) {
    return known ? absl::StrCat("about ", absl::FormatDuration(
                                              absl::Trunc(FromDuration(duration), absl::Milliseconds(100))))
                 : std::string("not known");
  };
  std::printf("model        %s\nevaluations  %g\nwait         %s, with %u jobs waiting\nrun          %s\n",
              Shown(checked->job().spec().model()).c_str(), estimate.evaluations(),
              about(estimate.has_estimated_wait(), estimate.estimated_wait()).c_str(), estimate.queued_jobs(),
              about(estimate.has_estimated_run(), estimate.estimated_run()).c_str());
  return kOk;
}

}  // namespace

int Generate(client::Client& client, const Common& common, const GenerateOptions& options) {
  v1::JobRequest request = options.request;
  const v1::ImageSpec& spec = request.spec();
  request.mutable_spec()->set_omit_metadata(!options.metadata);
  request.mutable_spec()->set_tiling(options.tiling);
  if (options.dry_run) return DryRun(client, common, request);
  if (options.detach) {
    const absl::StatusOr<v1::Job> job = client.Create(request);
    if (!job.ok()) return ReportError(job.status(), common);
    if (common.json) {
      PrintJson(*job);
      return kOk;
    }
    if (spec.model().empty()) SayModel(*job);
    std::printf("%s\n", Shown(job->id()).c_str());
    return kOk;
  }
  const Output out(options.out);
  // Before anything is computed.
  if (const std::string why = out.WhyNot(spec.image_count()); !why.empty()) return Refuse(why);
  Collector collector(common, out);
  if (spec.model().empty()) collector.NameTheModel();
  return collector.Finish(client.Generate(request, collector.Handlers()));
}

int Jobs(client::Client& client, const Common& common, const v1::ListJobsRequest& request) {
  const auto jobs = client.List(request);
  if (!jobs.ok()) return ReportError(jobs.status(), common);
  if (!common.json) std::printf("%-28s %-10s %9s %-20s %s\n", "ID", "STATE", "STEPS", "CREATED", "PROMPT");
  for (const v1::Job& job : *jobs) {
    if (common.json) {
      PrintJson(job);
      continue;
    }
    std::printf("%-28s %-10s %4u/%-4u %-20s %s\n", Shown(job.id()).c_str(),
                v1::JobState_Name(job.state()).substr(sizeof("JOB_STATE_") - 1).c_str(), job.steps_done(),
                job.steps_total(),
                absl::FormatTime("%Y-%m-%d %H:%M:%S", FromTimestamp(job.create_time()), absl::LocalTimeZone())
                    .c_str(),
                Shown(job.spec().prompt(), 50).c_str());
  }
  return kOk;
}

int Watch(client::Client& client, const Common& common, const std::string& id, uint64_t after) {
  Collector collector(common, Output(""));
  client::Handlers handlers = collector.Handlers();
  handlers.picture = nullptr;  // `get` fetches them
  return collector.Finish(client.Watch(id, handlers, after));
}

int Get(client::Client& client, const Common& common, const std::string& id, const std::string& out) {
  const absl::StatusOr<v1::Job> job = client.Get(id);
  if (!job.ok()) return ReportError(job.status(), common);
  const Output output(out);
  if (const std::string why = output.WhyNot(job->spec().image_count()); !why.empty()) return Refuse(why);
  Collector collector(common, output);
  collector.Know(*job);
  return collector.Finish(client.Watch(id, collector.Handlers()));
}

int Image(client::Client& client, const Common& common, const std::string& id, uint32_t index,
          const std::string& out) {
  const Output output(out);
  if (const std::string why = output.WhyNot(1); !why.empty()) return Refuse(why);
  absl::StatusOr<v1::GetImageResponse> image = client.GetImage(id, index);
  if (!image.ok()) return ReportError(image.status(), common);
  const client::Picture picture{
      .index = index, .seed = image->seed(), .media_type = image->media_type(), .data = image->data()};
  const std::string name = output.FileName(id, picture, out.empty() ? index + 1 : 1);
  if (!output.Save(name, picture.data)) {
    std::fprintf(stderr, "mind: cannot write %s\n", name.c_str());
    return kFailed;
  }
  if (common.json) {
    image->clear_data();
    PrintJson(*image);
  } else if (!output.is_stdout()) {
    std::printf("%s\n", name.c_str());
  }
  return kOk;
}

int Cancel(client::Client& client, const Common& common, const std::string& id) {
  const absl::StatusOr<v1::Job> job = client.Cancel(id);
  if (!job.ok()) return ReportError(job.status(), common);
  if (common.json) {
    PrintJson(*job);
  } else {
    std::printf("%s cancelled after %u of %u steps\n", id.c_str(), job->steps_done(), job->steps_total());
  }
  return kOk;
}

int Delete(client::Client& client, const Common& common, const std::string& id) {
  const absl::StatusOr<v1::Job> job = client.Delete(id);
  if (!job.ok()) return ReportError(job.status(), common);
  if (common.json) {
    PrintJson(*job);
  } else {
    std::printf("%s deleted\n", id.c_str());
  }
  return kOk;
}

namespace {

// What may be asked of it: "  later stage: prior, 25 steps".
void PrintStage(const v1::ModelStage& stage) {
  std::printf("  later stage: %s%s%u steps", Shown(stage.name()).c_str(), stage.name().empty() ? "" : ", ",
              stage.default_steps());
  if (!stage.fixed_guidance()) std::printf(", guidance %g", stage.default_guidance());
  if (stage.max_noise_level() > 0)
    std::printf(", noise level %u of up to %u", stage.default_noise_level(), stage.max_noise_level());
  std::printf("\n");
}

}  // namespace

int Models(client::Client& client, const Common& common) {
  const auto models = client.Models();
  if (!models.ok()) return ReportError(models.status(), common);
  for (const v1::Model& model : *models) {
    if (common.json) {
      PrintJson(model);
      continue;
    }
    std::string tasks, languages;
    for (const int task : model.tasks()) {
      const std::string name = v1::Task_Name(static_cast<v1::Task>(task)).substr(std::string("TASK_").size());
      tasks += (tasks.empty() ? "" : ", ") + absl::AsciiStrToLower(name);
    }
    for (const std::string& language : model.languages()) languages += " " + language;
    std::printf(
        "%s\n  %s, %ux%u (up to %ux%u in steps of %u)%s%s\n  tasks: %s\n  defaults: %u steps of %s, guidance "
        "%g\n  samplers:",
        Shown(model.name()).c_str(), Shown(model.pipeline()).c_str(), model.default_width(),
        model.default_height(), model.max_width(), model.max_height(), model.size_multiple(),
        model.takes_prompt() ? languages.empty() ? "" : ", prompts in" : ", no prompt",
        Shown(languages).c_str(), tasks.c_str(), model.default_steps(),
        Shown(model.default_sampler()).c_str(), model.default_guidance());
    for (const v1::Sampler& sampler : model.samplers()) std::printf(" %s", Shown(sampler.name()).c_str());
    std::printf("\n");
    for (const v1::ModelInput& input : model.inputs()) {
      if (input.role() == v1::INPUT_ROLE_REFERENCE) std::printf("  references: up to %u\n", input.most());
      if (!input.networks().empty())
        std::printf("  controls: %s\n", Shown(absl::StrJoin(input.networks(), ", "), kMaxList).c_str());
    }
    if (!model.loras().empty())
      std::printf("  loras: %s\n", Shown(absl::StrJoin(model.loras(), ", "), kMaxList).c_str());
    if (!model.stages().empty())
      std::printf("  stages: %s\n", Shown(absl::StrJoin(model.stages(), ", ")).c_str());
    for (const v1::ModelVae& vae : model.vaes()) {
      std::printf("  vae: %s%s%s\n", Shown(vae.name()).c_str(),
                  vae.unfit().empty() ? "" : ", which does not fit: ", Shown(vae.unfit()).c_str());
    }
    for (const v1::ModelStage& stage : model.later_stages()) PrintStage(stage);
  }
  return kOk;
}

int Samplers(client::Client& client, const Common& common, const std::string& model) {
  const auto response = client.Samplers(model);
  if (!response.ok()) return ReportError(response.status(), common);
  for (const v1::Sampler& sampler : response->samplers()) {
    if (common.json) {
      PrintJson(sampler);
      continue;
    }
    const bool adaptive = sampler.evaluations_per_step() == 0;
    std::printf("%s%s\n  %s; %g evaluations a %s%s\n", Shown(sampler.name()).c_str(),
                sampler.name() == response->default_sampler() ? " (default)" : "",
                Shown(sampler.description()).c_str(),
                adaptive ? sampler.evaluations() : sampler.evaluations_per_step(),
                adaptive ? "picture, about" : "step", sampler.stochastic() ? "; stochastic" : "");
    if (!sampler.aliases().empty()) {
      std::printf("  also: %s\n", Shown(absl::StrJoin(sampler.aliases(), ", ")).c_str());
    }
    for (const v1::SamplerParameter& parameter : sampler.parameters()) {
      std::printf("  %-20s %-34s %s\n", Shown(parameter.name()).c_str(), Shown(Allowed(parameter)).c_str(),
                  Shown(parameter.description()).c_str());
    }
  }
  return kOk;
}

int Workers(client::Client& client, const Common& common) {
  const auto workers = client.Workers();
  if (!workers.ok()) return ReportError(workers.status(), common);
  if (!common.json)
    std::printf("%-32s %-8s %-9s %8s  %s\n", "NAME", "DEVICE", "STATE", "PICTURES", "MODELS (* loaded)");
  for (const v1::Worker& worker : *workers) {
    if (common.json) {
      PrintJson(worker);
      continue;
    }
    std::printf("%-32s %-8s %-9s %4u/%-3u ", Shown(worker.name()).c_str(), Shown(worker.device()).c_str(),
                v1::WorkerState_Name(worker.state()).substr(sizeof("WORKER_STATE_") - 1).c_str(),
                worker.running_images(), worker.max_images());
    for (const std::string& model : worker.models()) {
      const auto& loaded = worker.loaded_models();
      const bool in_memory = std::find(loaded.begin(), loaded.end(), model) != loaded.end();
      std::printf(" %s%s", Shown(model).c_str(), in_memory ? "*" : "");
    }
    std::printf("\n");
  }
  return kOk;
}

}  // namespace mind::cli
