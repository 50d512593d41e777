#include "server/trust/caller.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr size_t kMaxTenant = 64;

bool IsAllowed(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
}

}  // namespace

absl::Status ValidateTenant(const std::string& tenant) {
  if (tenant.empty() || tenant.size() > kMaxTenant || !std::all_of(tenant.begin(), tenant.end(), IsAllowed)) {
    return InvalidField("mind-tenant", absl::StrCat("\"", Printable(tenant), "\" given; it must be 1 to ",
                                                    kMaxTenant, " letters, digits, '-', '_' and '.'"));
  }
  return absl::OkStatus();
}

}  // namespace mind::server
