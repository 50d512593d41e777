// What there is, as A1111's API lists it.
#ifndef MIND_SERVER_HTTP_SDAPI_LISTS_H_
#define MIND_SERVER_HTTP_SDAPI_LISTS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "mind/v1/generation.pb.h"
#include "nlohmann/json.hpp"

namespace mind::server {

nlohmann::json SdapiModels(const v1::ListModelsResponse& models);
// Those without their Karras twins, which a scheduler says.
nlohmann::json SdapiSamplers(const v1::ListSamplersResponse& samplers);
nlohmann::json SdapiSchedulers();
nlohmann::json SdapiLoras(const v1::Model& model);
// Those that fit the model.
nlohmann::json SdapiVaes(const v1::Model& model);

// The lists that programs ask for and that are always the same here, most of them empty, by their names.
std::vector<std::pair<std::string, nlohmann::json>> SdapiFixedLists();

// What a PNG says of how it was made. INVALID_ARGUMENT: it is no PNG, or a damaged one.
absl::StatusOr<nlohmann::json> SdapiPngInfo(const std::string& file);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_LISTS_H_
