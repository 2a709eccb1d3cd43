-- Version 10: reports and receipts one by one are no more; the collector has packed them.

DROP TABLE report;
DROP TABLE receipt;
