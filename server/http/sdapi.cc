#include "server/http/sdapi.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "server/generation/validate_controls.h"
#include "server/http/data_url.h"
#include "server/http/json_fields.h"
#include "server/http/sdapi_answer.h"
#include "server/http/sdapi_error.h"
#include "server/http/sdapi_lists.h"
#include "server/http/sdapi_request.h"
#include "server/http/sdapi_schemas.h"
#include "server/http/sdapi_tasks.h"

namespace mind::server {
namespace {

using nlohmann::json;

// The face's handlers hold it.
struct Face {
  const FaceContext& context;
  const std::shared_ptr<SdapiTasks> tasks = std::make_shared<SdapiTasks>();
};

HttpResponse SdapiJson(const json& body) {
  return Answered(200, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace));
}

void CancelJob(const FaceContext& context, const Caller& caller, const SdapiTask& task) {
  const absl::Status reason =
      MakeError(absl::StatusCode::kCancelled, "interrupted", "CANCELLED", {{"job", task.job_id}});
  // A job that has ended by itself meanwhile is no error here.
  context.generation.Cancel(task.job_id, caller, reason, [](const absl::StatusOr<v1::Job>&) {});
}

// Clients send a strength with every img2img; to these models it means nothing.
bool TakesStrength(const v1::Model& model) {
  return !Edits(model) && !Varies(model) && model.enlargement() <= 1;
}

// POST txt2img, img2img
void MakePictures(const Face& face, const ExchangePtr& exchange, absl::StatusOr<SdapiRequest> request) {
  if (!request.ok()) return exchange->Answer(SdapiError(request.status()));
  Submission submission = PrepareSubmission(std::move(request->job));
  const auto make = [&context = face.context, tasks = face.tasks, exchange, request = *std::move(request),
                     submission = std::move(submission)](const Caller& caller) mutable {
    const absl::Time now = absl::Now();
    v1::ImageSpec& spec = *submission.request.mutable_spec();
    SdapiOptions options = tasks->OptionsOf(caller.tenant);
    if (request.keeps_settings) {
      if (!spec.model().empty()) options.model = spec.model();
      if (request.sets_clip_skip) options.clip_skip = spec.clip_skip();
      if (request.sets_vae) options.vae = spec.vae();
      tasks->SetOptions(caller.tenant, options);
    }
    if (spec.model().empty()) spec.set_model(options.model);
    if (!request.sets_clip_skip && options.clip_skip) spec.set_clip_skip(*options.clip_skip);
    if (!request.sets_vae) spec.set_vae(options.vae);
    auto start = [&context, tasks, exchange, request = std::move(request), caller,
                  now](const Submission& asked) mutable {
      const SdapiTaskPtr task = tasks->Begin(caller.tenant, request.task_id, now);
      JobCall::Start(context, exchange,
                     NewSdapiAnswer(exchange, std::move(request), tasks, task,
                                    [&context, caller, task] { CancelJob(context, caller, *task); }),
                     [asked, caller, call = CallTimes{.started = now}](EventPump& pump) {
                       pump.Generate(asked, caller, call);
                     });
    };
    if (!spec.has_strength()) return start(submission);
    context.generation.GetModel(spec.model(),
                                [submission, start](const absl::StatusOr<v1::Model>& model) mutable {
                                  if (model.ok() && !TakesStrength(*model))
                                    submission.request.mutable_spec()->clear_strength();
                                  start(submission);  // which refuses a model that is not there
                                });
  };
  OnLoop(face.context, exchange, make);
}

// POST interrupt, skip. All pictures of a call are made at the same time, so there is no next one to skip to.
void Interrupt(const Face& face, const ExchangePtr& exchange, bool skip) {
  OnLoop(face.context, exchange,
         [&context = face.context, tasks = face.tasks, exchange, skip](const Caller& caller) {
           if (const auto task = tasks->Find(caller.tenant, exchange->request().Query("id_task"))) {
             task->interrupted = true;
             task->skipped = skip;
             if (!task->job_id.empty()) CancelJob(context, caller, *task);
           }
           exchange->Answer(SdapiJson(json::object()));
         });
}

// GET progress
void Progress(const Face& face, const ExchangePtr& exchange) {
  OnLoop(face.context, exchange, [tasks = face.tasks, exchange](const Caller& caller) {
    const HttpRequest& asked = exchange->request();
    const SdapiTaskPtr task = tasks->Find(caller.tenant, asked.Query("id_task"));
    const bool shown = task != nullptr && asked.Query("skip_current_image") != "true";
    exchange->Answer([body = ProgressOf(task.get(), absl::Now()), preview = shown ? task->preview : nullptr] {
      json answer = body;
      if (preview != nullptr) answer["current_image"] = absl::Base64Escape(preview->preview().data());
      return SdapiJson(answer);
    });
  });
}

// POST /internal/progress
void TaskProgress(const Face& face, const ExchangePtr& exchange) {
  const absl::StatusOr<json> asked = ParseJsonObject(exchange->request().body);
  if (!asked.ok()) return exchange->Answer(SdapiError(asked.status()));
  JsonFields fields(*asked);
  const std::string id = fields.Text("id_task").value_or("");
  if (id.empty()) fields.Refuse("id_task", "must name a task, its force_task_id");
  const bool live = fields.Flag("live_preview").value_or(true);
  if (!fields.status().ok()) return exchange->Answer(SdapiError(fields.status()));
  OnLoop(face.context, exchange, [tasks = face.tasks, exchange, id, live](const Caller& caller) {
    const SdapiTaskPtr task = tasks->Find(caller.tenant, id);
    const bool active = task != nullptr && !task->steps.empty();
    const json progress = ProgressOf(task.get(), absl::Now());
    const json body = {
        {"active", active},
        {"queued", task != nullptr && !active},
        {"completed", task == nullptr && tasks->HasEnded(caller.tenant, id)},
        {"progress", progress["progress"]},
        {"eta", progress["eta_relative"]},
        {"live_preview", nullptr},
        {"id_live_preview",
         task == nullptr || task->preview == nullptr ? json(-1) : json(task->preview->sequence())},
        {"textinfo", task != nullptr && !active ? "In queue..." : ""}};
    exchange->Answer([body, preview = task != nullptr && live ? task->preview : nullptr] {
      json answer = body;
      if (preview != nullptr) {
        answer["live_preview"] = absl::StrCat("data:", preview->preview().media_type(), ";base64,",
                                              absl::Base64Escape(preview->preview().data()));
      }
      return SdapiJson(answer);
    });
  });
}

// GET options
void GetOptions(const Face& face, const ExchangePtr& exchange) {
  OnLoop(face.context, exchange,
         [&context = face.context, tasks = face.tasks, exchange](const Caller& caller) {
           const SdapiOptions options = tasks->OptionsOf(caller.tenant);
           context.generation.GetModel(
               options.model, [exchange, options](const absl::StatusOr<v1::Model>& model) {
                 // Who has chosen none gets the server's own, if it has one by now.
                 const json name = !options.model.empty() ? json(options.model)
                                   : model.ok()           ? json(model->name())
                                                          : json();
                 exchange->Answer(SdapiJson({{"sd_model_checkpoint", name},
                                             {"sd_checkpoint_hash", ""},
                                             {"sd_vae", options.vae.empty() ? "Automatic" : options.vae},
                                             {"CLIP_stop_at_last_layers", options.clip_skip.value_or(0) + 1},
                                             {"samples_format", "png"}}));
               });
         });
}

// POST options
void SetOptions(const Face& face, const ExchangePtr& exchange) {
  const absl::StatusOr<json> given = ParseJsonObject(exchange->request().body);
  if (!given.ok()) return exchange->Answer(SdapiError(given.status()));
  JsonFields fields(*given, /*from_form=*/true);
  const std::optional<std::string> title = fields.Text("sd_model_checkpoint");
  const std::optional<int64_t> layers = fields.Whole("CLIP_stop_at_last_layers", 0, 64);
  const std::optional<std::string> vae = fields.Text("sd_vae");
  if (!fields.status().ok()) return exchange->Answer(SdapiError(fields.status()));
  OnLoop(face.context, exchange,
         [&context = face.context, tasks = face.tasks, exchange, title, layers, vae](const Caller& caller) {
           SdapiOptions options = tasks->OptionsOf(caller.tenant);
           if (layers) options.clip_skip = static_cast<uint32_t>(std::max<int64_t>(*layers - 1, 0));
           if (title) options.model = ModelOfTitle(*title);
           if (vae) options.vae = VaeOfTitle(*vae);
           const auto keep = [tasks, exchange, options, tenant = caller.tenant] {
             tasks->SetOptions(tenant, options);
             exchange->Answer(SdapiJson(json()));
           };
           if (!title || options.model.empty()) return keep();
           context.generation.GetModel(options.model,
                                       [exchange, keep](const absl::StatusOr<v1::Model>& model) {
                                         model.ok() ? keep() : exchange->Answer(SdapiError(model.status()));
                                       });
         });
}

// POST png-info
void PngInfo(const ExchangePtr& exchange) {
  const absl::StatusOr<json> asked = ParseJsonObject(exchange->request().body);
  if (!asked.ok()) return exchange->Answer(SdapiError(asked.status()));
  JsonFields fields(*asked);
  const std::optional<std::string> file = FromBase64(fields.Text("image").value_or(""));
  if (!file || file->empty()) fields.Refuse("image", "must be a picture in base64 or a data URL");
  if (!fields.status().ok()) return exchange->Answer(SdapiError(fields.status()));
  const absl::StatusOr<json> info = SdapiPngInfo(*file);
  exchange->Answer(info.ok() ? SdapiJson(*info) : SdapiError(info.status()));
}

// Answers with what `list` makes of it, or the error.
template <typename Message, typename List>
Generation::Answer<Message> Listing(const ExchangePtr& exchange, List list) {
  return [exchange, list](const absl::StatusOr<Message>& message) {
    exchange->Answer(message.ok() ? SdapiJson(list(*message)) : SdapiError(message.status()));
  };
}

void AddLists(const std::shared_ptr<Face>& face, Router& router) {
  // `ask` gets the caller's model.
  const auto add = [&](const std::string& name, auto ask) {
    const std::string path = "/sdapi/v1/" + name;
    router.Add(
        "GET", path,
        [face, ask](const ExchangePtr& exchange, const Router::Arguments&) {
          OnLoop(face->context, exchange, [face, exchange, ask](const Caller& caller) {
            ask(face->context.generation, face->tasks->OptionsOf(caller.tenant).model, exchange);
          });
        },
        SdapiOperation("GET", path));
  };
  add("sd-models", [](Generation& generation, const std::string&, const ExchangePtr& exchange) {
    generation.ListModels(Listing<v1::ListModelsResponse>(exchange, SdapiModels));
  });
  add("samplers", [](Generation& generation, const std::string& model, const ExchangePtr& exchange) {
    generation.ListSamplers(model, Listing<v1::ListSamplersResponse>(exchange, SdapiSamplers));
  });
  add("loras", [](Generation& generation, const std::string& model, const ExchangePtr& exchange) {
    generation.GetModel(model, Listing<v1::Model>(exchange, SdapiLoras));
  });
  add("sd-vae", [](Generation& generation, const std::string& model, const ExchangePtr& exchange) {
    generation.GetModel(model, Listing<v1::Model>(exchange, SdapiVaes));
  });
  std::vector<std::pair<std::string, json>> fixed = SdapiFixedLists();
  fixed.emplace_back("schedulers", SdapiSchedulers());
  for (const auto& [name, list] : fixed) {
    const std::string path = "/sdapi/v1/" + name;
    router.Add(
        "GET", path,
        [answer = SdapiJson(list)](const ExchangePtr& exchange, const auto&) { exchange->Answer(answer); },
        SdapiOperation("GET", path));
  }
  // Workers tell by themselves what they have.
  for (const char* const what : {"refresh-checkpoints", "refresh-loras", "refresh-vae"}) {
    const std::string path = absl::StrCat("/sdapi/v1/", what);
    router.Add(
        "POST", path, [](const ExchangePtr& exchange, const auto&) { exchange->Answer(SdapiJson(json())); },
        SdapiOperation("POST", path));
  }
}

}  // namespace

void AddSdapiFace(const FaceContext& context, Router& router) {
  const auto face = std::make_shared<Face>(Face{.context = context});
  const auto add = [&](const char* method, const char* path, auto handle) {
    router.Add(
        method, path, [face, handle](const ExchangePtr& exchange, const auto&) { handle(*face, exchange); },
        SdapiOperation(method, path));
  };
  add("POST", "/sdapi/v1/txt2img", [](const Face& f, const ExchangePtr& exchange) {
    MakePictures(f, exchange, ParseTxt2Img(exchange->request()));
  });
  add("POST", "/sdapi/v1/img2img", [](const Face& f, const ExchangePtr& exchange) {
    MakePictures(f, exchange, ParseImg2Img(exchange->request()));
  });
  add("POST", "/sdapi/v1/interrupt",
      [](const Face& f, const ExchangePtr& exchange) { Interrupt(f, exchange, false); });
  add("POST", "/sdapi/v1/skip",
      [](const Face& f, const ExchangePtr& exchange) { Interrupt(f, exchange, true); });
  add("GET", "/sdapi/v1/progress", Progress);
  add("POST", "/internal/progress", TaskProgress);
  add("GET", "/sdapi/v1/options", GetOptions);
  add("POST", "/sdapi/v1/options", SetOptions);
  add("POST", "/sdapi/v1/png-info", [](const Face&, const ExchangePtr& exchange) { PngInfo(exchange); });
  AddLists(face, router);
  DescribeSdapi(router);
  router.SetErrorForm("/sdapi/", SdapiError);
  router.SetErrorForm("/internal/", SdapiError);
  router.SetNobody("/sdapi/", [](const ExchangePtr& exchange, const std::string& allow) {
    const std::string path = Printable(exchange->request().path, 100);
    HttpResponse response = SdapiError(
        MakeError(absl::StatusCode::kNotFound,
                  allow.empty() ? "nothing is at " + path : path + " takes " + allow, "UNKNOWN_URL"));
    if (!allow.empty()) {
      response.status = 405;
      response.headers.emplace_back("allow", allow);
    }
    exchange->Answer(std::move(response));
  });
}

}  // namespace mind::server
