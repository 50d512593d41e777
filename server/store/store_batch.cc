#include "server/store/store_batch.h"

namespace mind::server {
namespace {

constexpr size_t kRow = 256;  // the rest of a write

size_t Payload(const InsertJob& write) {
  size_t bytes = write.job.ByteSizeLong();
  for (const Blob& picture : write.pictures) bytes += picture.data->size();
  return bytes;
}
size_t Payload(const UpdateJob& write) {
  return write.job.ByteSizeLong();
}
size_t Payload(const EndJob& write) {
  return write.job.ByteSizeLong();
}
size_t Payload(const UntieJob&) {
  return 0;
}
size_t Payload(const ForgetJob&) {
  return 0;
}
size_t Payload(const AddImage& write) {
  return write.data == nullptr ? 0 : write.data->size();
}
size_t Payload(const SaveModel& write) {
  return write.model.ByteSizeLong();
}

size_t Payload(const SettleWebhook&) {
  return 0;
}
size_t Payload(const AddSecret& write) {
  return write.secret.secret.size();
}
size_t Payload(const SavePrice&) {
  return 0;
}

}  // namespace

size_t BytesOf(const StoreWrite& write) {
  return kRow + std::visit([](const auto& one) { return Payload(one); }, write);
}

}  // namespace mind::server
