#include "server/trust/access.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace mind::server {
namespace {

constexpr v1::Scope kOpen = v1::SCOPE_UNSPECIFIED;
constexpr v1::Scope kGenerate = v1::SCOPE_GENERATE;
constexpr v1::Scope kRead = v1::SCOPE_READ;
constexpr v1::Scope kAdmin = v1::SCOPE_ADMIN;
constexpr v1::Scope kWorker = v1::SCOPE_WORKER;
constexpr v1::Scope kScale = v1::SCOPE_SCALE;

using Table = std::map<std::string, v1::Scope, std::less<>>;

const Table& AccessTable() {
  static const auto* const table = new Table{
      // gRPC. Health is answered by gRPC itself; reflection is there only where keys are not asked for.
      {"grpc.health.v1.Health/Check", kOpen},
      {"grpc.health.v1.Health/Watch", kOpen},
      {"mind.v1.GenerationService/GenerateImage", kGenerate},
      {"mind.v1.GenerationService/CreateJob", kGenerate},
      {"mind.v1.GenerationService/CancelJob", kGenerate},
      {"mind.v1.GenerationService/DeleteJob", kGenerate},
      {"mind.v1.GenerationService/GetJob", kRead},
      {"mind.v1.GenerationService/ListJobs", kRead},
      {"mind.v1.GenerationService/GetImage", kRead},
      {"mind.v1.GenerationService/WatchJob", kRead},
      {"mind.v1.GenerationService/ListModels", kRead},
      {"mind.v1.GenerationService/GetModel", kRead},
      {"mind.v1.GenerationService/ListSamplers", kRead},
      {"mind.v1.GenerationService/ListWorkers", kAdmin},
      {"mind.v1.GenerationService/ListUsage", kAdmin},
      {"mind.v1.KeyService/CreateKey", kAdmin},
      {"mind.v1.KeyService/ListKeys", kAdmin},
      {"mind.v1.KeyService/RotateKey", kAdmin},
      {"mind.v1.KeyService/RevokeKey", kAdmin},
      {"mind.v1.KeyService/SetTenantLimits", kAdmin},
      {"mind.v1.KeyService/ListTenantLimits", kAdmin},
      {"mind.v1.WorkerService/Connect", kWorker},
      // KEDA's.
      {"externalscaler.ExternalScaler/IsActive", kScale},
      {"externalscaler.ExternalScaler/StreamIsActive", kScale},
      {"externalscaler.ExternalScaler/GetMetricSpec", kScale},
      {"externalscaler.ExternalScaler/GetMetrics", kScale},
      // HTTP: the page and what says how to call.
      {"GET /", kOpen},
      {"GET /openapi.json", kOpen},
      // A signed link says itself who may follow it.
      {"GET /v1/files/{id}/{index}", kOpen},
      // JSON.
      {"POST /v1/jobs", kGenerate},
      {"POST /v1/jobs/{id}/cancel", kGenerate},
      {"DELETE /v1/jobs/{id}", kGenerate},
      {"GET /v1/jobs", kRead},
      {"GET /v1/jobs/{id}", kRead},
      {"GET /v1/jobs/{id}/events", kRead},
      {"GET /v1/jobs/{id}/images/{index}", kRead},
      {"GET /v1/samplers", kRead},
      {"GET /v1/workers", kAdmin},
      // OpenAI.
      {"POST /v1/images/generations", kGenerate},
      {"POST /v1/images/edits", kGenerate},
      {"POST /v1/images/variations", kGenerate},
      {"GET /v1/models", kRead},
      {"GET /v1/models/{model}", kRead},
      // A1111.
      {"POST /sdapi/v1/txt2img", kGenerate},
      {"POST /sdapi/v1/img2img", kGenerate},
      {"POST /sdapi/v1/interrupt", kGenerate},
      {"POST /sdapi/v1/skip", kGenerate},
      {"POST /sdapi/v1/options", kGenerate},
      {"GET /sdapi/v1/options", kRead},
      {"GET /sdapi/v1/progress", kRead},
      {"POST /internal/progress", kRead},
      {"POST /sdapi/v1/png-info", kRead},
      {"GET /sdapi/v1/sd-models", kRead},
      {"GET /sdapi/v1/samplers", kRead},
      {"GET /sdapi/v1/schedulers", kRead},
      {"GET /sdapi/v1/loras", kRead},
      {"GET /sdapi/v1/upscalers", kRead},
      {"GET /sdapi/v1/latent-upscale-modes", kRead},
      {"GET /sdapi/v1/sd-vae", kRead},
      {"GET /sdapi/v1/sd-modules", kRead},
      {"GET /sdapi/v1/hypernetworks", kRead},
      {"GET /sdapi/v1/face-restorers", kRead},
      {"GET /sdapi/v1/realesrgan-models", kRead},
      {"GET /sdapi/v1/prompt-styles", kRead},
      {"GET /sdapi/v1/script-info", kRead},
      {"GET /sdapi/v1/extensions", kRead},
      {"GET /sdapi/v1/embeddings", kRead},
      {"GET /sdapi/v1/scripts", kRead},
      {"GET /sdapi/v1/cmd-flags", kRead},
      {"GET /sdapi/v1/memory", kRead},
      {"POST /sdapi/v1/refresh-checkpoints", kRead},
      {"POST /sdapi/v1/refresh-loras", kRead},
      {"POST /sdapi/v1/refresh-vae", kRead},
      // KServe.
      {"GET /v2", kRead},
      {"GET /v2/health/live", kOpen},
      {"GET /v2/health/ready", kOpen},
      {"GET /v2/models/{model}", kRead},
      {"GET /v2/models/{model}/ready", kRead},
  };
  return *table;
}

// "GET /card.js": a file of the page, whatever those are.
bool IsPageFile(std::string_view name) {
  absl::string_view path(name.data(), name.size());
  if (!absl::ConsumePrefix(&path, "GET /") || absl::StrContains(path, "/")) return false;
  return absl::EndsWith(path, ".html") || absl::EndsWith(path, ".css") || absl::EndsWith(path, ".js");
}

}  // namespace

std::optional<Access> AccessTo(std::string_view name) {
  if (const auto found = AccessTable().find(name); found != AccessTable().end()) return Access{found->second};
  if (IsPageFile(name)) return Access{kOpen};
  return std::nullopt;
}

std::vector<std::string> NamesWithAccess() {
  std::vector<std::string> names;
  for (const auto& [name, scope] : AccessTable()) names.push_back(name);
  return names;
}

std::string ScopeName(int scope) {
  const std::string& name = v1::Scope_Name(static_cast<v1::Scope>(scope));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "SCOPE_"));
}

}  // namespace mind::server
