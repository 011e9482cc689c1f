BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE deployment (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	pipeline_id INTEGER NOT NULL, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, 
	CONSTRAINT fk_deployment_pipeline_id FOREIGN KEY(pipeline_id) REFERENCES pipeline (id)
);
INSERT INTO "deployment" VALUES(1,3,'2026-11-20 14:41:35');
INSERT INTO "deployment" VALUES(2,3,'2026-11-20 14:41:35');
INSERT INTO "deployment" VALUES(3,3,'2026-11-20 14:41:35');
CREATE TABLE deployment_version (
	deployment_id INTEGER NOT NULL, 
	node TEXT NOT NULL, 
	version_id INTEGER NOT NULL, 
	CONSTRAINT pk_deployment_version PRIMARY KEY (deployment_id, node), 
	CONSTRAINT fk_deployment_version_deployment_id FOREIGN KEY(deployment_id) REFERENCES deployment (id), 
	CONSTRAINT fk_deployment_version_version_id FOREIGN KEY(version_id) REFERENCES version (id)
);
INSERT INTO "deployment_version" VALUES(1,'pca',2);
INSERT INTO "deployment_version" VALUES(1,'forest',3);
INSERT INTO "deployment_version" VALUES(2,'pca',6);
INSERT INTO "deployment_version" VALUES(2,'forest',7);
INSERT INTO "deployment_version" VALUES(3,'pca',4);
INSERT INTO "deployment_version" VALUES(3,'forest',5);
CREATE TABLE link (
	id INTEGER NOT NULL, 
	upstream_op_id INTEGER NOT NULL, 
	upstream_version_id INTEGER NOT NULL, 
	downstream_op_id INTEGER NOT NULL, 
	downstream_version_id INTEGER, 
	CONSTRAINT pk_link PRIMARY KEY (id), 
	CONSTRAINT fk_link_upstream_op_id FOREIGN KEY(upstream_op_id) REFERENCES op (id), 
	CONSTRAINT fk_link_upstream_version_id FOREIGN KEY(upstream_version_id) REFERENCES version (id), 
	CONSTRAINT fk_link_downstream_op_id FOREIGN KEY(downstream_op_id) REFERENCES op (id), 
	CONSTRAINT fk_link_downstream_version_id FOREIGN KEY(downstream_version_id) REFERENCES version (id)
);
INSERT INTO "link" VALUES(1,3,1,2,2);
INSERT INTO "link" VALUES(2,2,2,1,3);
INSERT INTO "link" VALUES(3,3,1,2,4);
INSERT INTO "link" VALUES(4,2,4,1,5);
INSERT INTO "link" VALUES(5,3,1,2,6);
INSERT INTO "link" VALUES(6,2,6,1,7);
INSERT INTO "link" VALUES(7,2,11,1,NULL);
CREATE TABLE op (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_op PRIMARY KEY (id), 
	CONSTRAINT uq_op_name UNIQUE (name)
);
INSERT INTO "op" VALUES(1,'forest');
INSERT INTO "op" VALUES(2,'pca');
INSERT INTO "op" VALUES(3,'split');
INSERT INTO "op" VALUES(4,'counter');
INSERT INTO "op" VALUES(5,'alone');
CREATE TABLE pipeline (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	last_op TEXT, 
	CONSTRAINT pk_pipeline PRIMARY KEY (id), 
	CONSTRAINT uq_pipeline_name UNIQUE (name)
);
INSERT INTO "pipeline" VALUES(1,'train','forest');
INSERT INTO "pipeline" VALUES(2,'old','forest');
INSERT INTO "pipeline" VALUES(3,'predict',NULL);
CREATE TABLE version (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	op_id INTEGER NOT NULL, 
	major VARCHAR(40) NOT NULL, 
	minor VARCHAR(40) NOT NULL, 
	patch VARCHAR(40) NOT NULL, 
	creation_time DOUBLE NOT NULL, 
	code_major VARCHAR(40), 
	code_minor VARCHAR(40), 
	code_patch VARCHAR(40), 
	sha256 VARCHAR(64) DEFAULT '' NOT NULL, 
	follows INTEGER DEFAULT '0' NOT NULL, 
	size BIGINT DEFAULT '0' NOT NULL, 
	fields JSON NOT NULL, 
	fingerprint TEXT, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, 
	CONSTRAINT fk_version_op_id FOREIGN KEY(op_id) REFERENCES op (id), 
	CONSTRAINT uq_version_op_id_major_minor_patch_sha256_follows UNIQUE (op_id, major, minor, patch, sha256, follows)
);
INSERT INTO "version" VALUES(1,3,'94d5cab6f5fe3422a447ab15436e7a672bc0c09a','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','',0,0,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(2,2,'0ad3b99191492a7a27245a6fc2194eff72e25aed','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','18e3c3f5275dd90d1b59d01342e39907d54b04f8d2bd48aa2883c6713807c704',0,5,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(3,1,'01b1b45fdfdbd3f4fd4d08272a615b4577d01f13','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','eba53f75aff40c36f89448c31c47d920eb8af6ca27ca6e075421e4f34ab7f61a',0,8,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(4,2,'085ee29e2c0c263cb1ad19f005608666bafbd81c','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','e66d929fb346b7d12ca9d9a8804d86377bbb2b66136fd69f45fb7a0d72b9848c',0,5,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(5,1,'535506574220d7a4a5c08468175743b51ea8c9c3','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','6f3aa6736bb6af5a52f6b998bb82dd8a676d8f2484b7472596d268cf660ccf27',0,8,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(6,2,'cebf8e8dc97fb39187a34a5c5ccaeeb2166c2665','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','694877988627942bd473a78b967d74960794e679f3b2002a8358518a066d4dae',0,5,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(7,1,'db0b8c4d3db7f3744b9ba30e29061e13cdec1a68','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,'da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709','44a0953744709660979a7038728413679f43666276f225bcd5c7d6042217c0b3',0,8,'{"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}','a1b2','2026-11-20 14:41:35');
INSERT INTO "version" VALUES(8,4,'84a516841ba77a5b4648de2cd0dfcb30ea46dbb4','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,NULL,NULL,NULL,'7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',0,3,'{}',NULL,'2026-11-20 14:41:35');
INSERT INTO "version" VALUES(9,4,'84a516841ba77a5b4648de2cd0dfcb30ea46dbb4','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,NULL,NULL,NULL,'3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3',8,3,'{}',NULL,'2026-11-20 14:41:35');
INSERT INTO "version" VALUES(10,4,'84a516841ba77a5b4648de2cd0dfcb30ea46dbb4','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,NULL,NULL,NULL,'7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',9,3,'{}',NULL,'2026-11-20 14:41:35');
INSERT INTO "version" VALUES(11,2,'0d547c8a540c0bfd58b22c1aa490f919ccbedb75','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,NULL,NULL,NULL,'',0,0,'{}',NULL,'2026-11-20 14:41:35');
INSERT INTO "version" VALUES(12,5,'1b05d637f0409cc99b4dd0b5023e421c52d9b764','da39a3ee5e6b4b0d3255bfef95601890afd80709','da39a3ee5e6b4b0d3255bfef95601890afd80709',1.5,NULL,NULL,NULL,'',0,0,'{}',NULL,'2026-11-20 14:41:35');
CREATE INDEX ix_version_op_id_code_major_id ON version (op_id, code_major, id);
CREATE INDEX ix_version_sha256 ON version (sha256);
CREATE INDEX ix_link_upstream_op_id_downstream_op_id_downstream_version_id ON link (upstream_op_id, downstream_op_id, downstream_version_id);
CREATE UNIQUE INDEX uq_link_with_version ON link (upstream_version_id, downstream_version_id) WHERE downstream_version_id IS NOT NULL;
CREATE UNIQUE INDEX uq_link_without_version ON link (upstream_version_id, downstream_op_id) WHERE downstream_version_id IS NULL;
CREATE INDEX ix_deployment_pipeline_id_id ON deployment (pipeline_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('version',12);
INSERT INTO "sqlite_sequence" VALUES('deployment',3);
COMMIT;
