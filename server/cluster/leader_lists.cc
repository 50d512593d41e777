// What of a LeaderClient lists: models, samplers, workers, work, usage. From the store where that knows, else
// from the leader.
#include <optional>
#include <utility>
#include <vector>

#include "server/cluster/leader_client.h"
#include "server/generation/model_summary.h"
#include "server/generation/usage.h"

namespace mind::server {

void LeaderClient::ListModels(Answer<v1::ListModelsResponse> answer) {
  store_.Models(OnLoop<std::vector<v1::Model>>(
      [answer = std::move(answer)](absl::StatusOr<std::vector<v1::Model>> models) {
        if (!models.ok()) return answer(models.status());
        v1::ListModelsResponse response;
        for (const v1::Model& model : *models) *response.add_models() = Summary(model);
        answer(std::move(response));
      }));
}

void LeaderClient::FindModel(const std::string& name, std::function<void(std::optional<v1::Model>)> then) {
  if (name.empty()) return then(std::nullopt);
  store_.Models(OnLoop<std::vector<v1::Model>>(
      [name, then = std::move(then)](absl::StatusOr<std::vector<v1::Model>> models) {
        if (!models.ok()) return then(std::nullopt);
        for (v1::Model& model : *models) {
          if (model.name() == name) return then(std::move(model));
        }
        then(std::nullopt);
      }));
}

void LeaderClient::GetModel(const std::string& name, Answer<v1::Model> answer) {
  FindModel(name, [this, name, answer = std::move(answer)](std::optional<v1::Model> model) {
    if (model) return answer(Summary(*std::move(model)));
    v1::GetModelRequest request;
    request.set_name(name);
    calls_.Ask<v1::GetModelResponse>(
        Caller(), std::move(request),
        [](const LeaderLink& leader, auto... with) { leader.generation->async()->GetModel(with...); },
        [answer](absl::StatusOr<v1::GetModelResponse> response) {
          response.ok() ? answer(std::move(*response->mutable_model())) : answer(response.status());
        });
  });
}

void LeaderClient::ListSamplers(const std::string& model, Answer<v1::ListSamplersResponse> answer) {
  FindModel(model, [this, model, answer = std::move(answer)](const std::optional<v1::Model>& found) {
    if (found) return answer(SamplersOf(*found));
    v1::ListSamplersRequest request;
    request.set_model(model);
    calls_.Ask<v1::ListSamplersResponse>(
        Caller(), std::move(request),
        [](const LeaderLink& leader, auto... with) { leader.generation->async()->ListSamplers(with...); },
        answer);
  });
}

void LeaderClient::ListWorkers(Answer<v1::ListWorkersResponse> answer) {
  calls_.Ask<v1::ListWorkersResponse>(
      Caller(), v1::ListWorkersRequest(),
      [](const LeaderLink& leader, auto... with) { leader.generation->async()->ListWorkers(with...); },
      std::move(answer));
}

void LeaderClient::ListWork(Answer<internal::v1::ListWorkResponse> answer) {
  calls_.Ask<internal::v1::ListWorkResponse>(
      Caller(), internal::v1::ListWorkRequest(),
      [](const LeaderLink& leader, auto... with) { leader.cluster->async()->ListWork(with...); },
      std::move(answer));
}

void LeaderClient::ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) {
  server::ListUsage(
      request,
      [this](const UsageQuery& query, StoreDone<std::vector<v1::Usage>> done) {
        store_.ListUsage(query, OnLoop<std::vector<v1::Usage>>(std::move(done)));
      },
      std::move(answer));
}

void LeaderClient::ListSigningSecrets(Answer<std::vector<std::string>> answer) {
  using Response = internal::v1::ListSigningSecretsResponse;
  calls_.Ask<Response>(
      Caller(), internal::v1::ListSigningSecretsRequest(),
      [](const LeaderLink& leader, auto... with) { leader.cluster->async()->ListSigningSecrets(with...); },
      [answer = std::move(answer)](const absl::StatusOr<Response>& response) {
        if (!response.ok()) return answer(response.status());
        answer(std::vector<std::string>(response->secrets().begin(), response->secrets().end()));
      });
}

}  // namespace mind::server
