"""The protocol's messages as plain protobuf classes: the generated wrappers around them cost ten times as much."""

from __future__ import annotations

from typing import Any, Final

from google.cloud.firestore_v1.types import common, document, firestore, query, write  # noqa: TID253 - the adapter itself
from google.protobuf import empty_pb2  # noqa: TID253

BatchGetDocumentsRequest: Final[Any] = firestore.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse: Final[Any] = firestore.BatchGetDocumentsResponse.pb()
BatchWriteRequest: Final[Any] = firestore.BatchWriteRequest.pb()
BatchWriteResponse: Final[Any] = firestore.BatchWriteResponse.pb()
BeginTransactionRequest: Final[Any] = firestore.BeginTransactionRequest.pb()
BeginTransactionResponse: Final[Any] = firestore.BeginTransactionResponse.pb()
CommitRequest: Final[Any] = firestore.CommitRequest.pb()
CommitResponse: Final[Any] = firestore.CommitResponse.pb()
Empty: Final[Any] = empty_pb2.Empty
ListCollectionIdsRequest: Final[Any] = firestore.ListCollectionIdsRequest.pb()
ListCollectionIdsResponse: Final[Any] = firestore.ListCollectionIdsResponse.pb()
ListenRequest: Final[Any] = firestore.ListenRequest.pb()
ListenResponse: Final[Any] = firestore.ListenResponse.pb()
RollbackRequest: Final[Any] = firestore.RollbackRequest.pb()
RunAggregationQueryRequest: Final[Any] = firestore.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse: Final[Any] = firestore.RunAggregationQueryResponse.pb()
RunQueryRequest: Final[Any] = firestore.RunQueryRequest.pb()
RunQueryResponse: Final[Any] = firestore.RunQueryResponse.pb()
Document: Final[Any] = document.Document.pb()
StructuredQuery: Final[Any] = query.StructuredQuery.pb()
TransactionOptions: Final[Any] = common.TransactionOptions.pb()
Value: Final[Any] = document.Value.pb()
Write: Final[Any] = write.Write.pb()
REQUEST_TIME: Final = int(write.DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME)
ASCENDING: Final = int(query.StructuredQuery.Direction.ASCENDING)
DESCENDING: Final = int(query.StructuredQuery.Direction.DESCENDING)
FieldOperator: Final = query.StructuredQuery.FieldFilter.Operator
UnaryOperator: Final = query.StructuredQuery.UnaryFilter.Operator
ALL_OF: Final = int(query.StructuredQuery.CompositeFilter.Operator.AND)
TARGET_REMOVED: Final = int(firestore.TargetChange.TargetChangeType.REMOVE)
TARGET_CURRENT: Final = int(firestore.TargetChange.TargetChangeType.CURRENT)
OPTIMISTIC: Final = int(common.TransactionOptions.ConcurrencyMode.OPTIMISTIC)
