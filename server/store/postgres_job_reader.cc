#include "server/store/postgres_job_reader.h"

#include <utility>

namespace mind::server {

PostgresJobReader::PostgresJobReader(const std::string& url, std::shared_ptr<ObjectStore> objects,
                                     uint64_t epoch, const SetAside& set_aside)
    : objects_(std::move(objects)) {
  for (Reading& one : readers_) {
    one.reader = std::make_unique<PostgresReader>(url, epoch, set_aside);
    one.thread = std::make_unique<TaskThread>();
  }
}

void PostgresJobReader::Read(std::function<void(PostgresReader&)> work) {
  Reading& one = readers_[next_reader_++ % kReaders];
  one.thread->Post([&one, work = std::move(work)] { work(*one.reader); });
}

void PostgresJobReader::StopReading() {
  for (Reading& one : readers_) one.thread.reset();
}

void PostgresJobReader::GiveUpReading() {
  for (Reading& one : readers_) one.reader->GiveUp();
}

void PostgresJobReader::Find(const std::string& tenant, const std::string& id,
                             Done<std::optional<StoredJob>> done) {
  Read([=](PostgresReader& reader) { done(reader.Find(tenant, id)); });
}

void PostgresJobReader::FindRequest(const std::string& tenant, const std::string& request_id,
                                    Done<std::optional<EarlierRequest>> done) {
  Read([=](PostgresReader& reader) { done(reader.FindRequest(tenant, request_id)); });
}

void PostgresJobReader::List(const JobQuery& query, Done<std::vector<StoredJob>> done) {
  Read([=](PostgresReader& reader) { done(reader.List(query)); });
}

void PostgresJobReader::FindImage(const std::string& job_id, uint32_t index,
                                  Done<std::optional<StoredImage>> done) {
  Read([=, objects = objects_](PostgresReader& reader) {
    ReadObjects(reader.FindImage(job_id, index), objects.get(), done);
  });
}

void PostgresJobReader::Models(Done<std::vector<v1::Model>> done) {
  Read([=](PostgresReader& reader) { done(reader.Models()); });
}

void PostgresJobReader::ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) {
  Read([=](PostgresReader& reader) { done(reader.ListUsage(query)); });
}

}  // namespace mind::server
