"""A broker whose listeners are secured in different ways, with the certificates, users and permissions of the tests.

    wire = Wire(folder)
    wire.listener("TLS")                    its address
    wire.allow("User:rewind", ...)          grants permissions; nobody but the tests' own clients has any without
    wire.tls(), wire.sasl(...)              properties of librdkafka, for a job or for a client

The listeners: PLAINTEXT for the tests themselves, TLS, MTLS (asks for a certificate), EXPIRED (the broker's is out of date), OTHER (the broker's is for
another name), SASL (without TLS) and SASLTLS. Certificates are made anew for each broker.
"""
import datetime
import ipaddress
import pathlib
import uuid

import confluent_kafka.admin
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import broker as support

PROTOCOLS = {"TLS": "SSL", "MTLS": "SSL", "EXPIRED": "SSL", "OTHER": "SSL", "SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL"}
DAY = datetime.timedelta(days=1)


class Authority:
    """Makes certificates, as PEM files in its folder."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = self.folder / f"{name}.pem"
        made = self._builder(self.name, self.key, 0, 30).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, key, first_day, last_day):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now + (first_day - 1) * DAY).not_valid_after(now + last_day * DAY))

    def certificate(self, name, hosts=("127.0.0.1", "localhost"), first_day=0, last_day=30, password=None):
        """(path of the certificate, path of its key), both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key, first_day, last_day).add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        certificate, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
        return certificate, key_file


def store(path, certificate, key):
    """One PEM file, as Kafka wants its keystore."""
    path.write_bytes(key.read_bytes() + certificate.read_bytes())
    return path


class Wire(support.Broker):
    def __init__(self, folder, users, version=support.VERSION):
        """`users`: name -> password, for SASL PLAIN and SCRAM-SHA-512."""
        folder = pathlib.Path(folder)
        self.users = dict(users)
        self.authority = Authority(folder / "tls", "tests")
        self.stranger = Authority(folder / "tls", "stranger")
        stores = {
            "good": store(folder / "tls" / "good.store", *self.authority.certificate("broker")),
            "expired": store(folder / "tls" / "expired.store", *self.authority.certificate("expired-broker", first_day=-20, last_day=-1)),
            "other": store(folder / "tls" / "other.store", *self.authority.certificate("other-broker", hosts=["elsewhere.example"])),
        }
        self.ports = {name: support.free_port() for name in PROTOCOLS}
        settings = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": stores["good"],
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.path,
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.expired.ssl.keystore.location": stores["expired"],
            "listener.name.other.ssl.keystore.location": stores["other"],
        }
        logins = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        for name in ("sasl", "sasltls"):
            settings[f"listener.name.{name}.plain.sasl.jaas.config"] = f"org.apache.kafka.common.security.plain.PlainLoginModule required {logins};"
            settings[f"listener.name.{name}.scram-sha-512.sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        super().__init__(folder, version, **settings)
        self.add_scram_users()

    def listeners(self):
        return {**super().listeners(), **{name: (protocol, self.ports[name]) for name, protocol in PROTOCOLS.items()}}

    def listener(self, name):
        return f"127.0.0.1:{self.listeners()[name][1]}"

    # -------------------------------------------------------------------------------------------- users and permissions
    def add_scram_users(self):
        kind = confluent_kafka.admin.ScramCredentialInfo(confluent_kafka.admin.ScramMechanism.SCRAM_SHA_512, 4096)
        changes = [confluent_kafka.admin.UserScramCredentialUpsertion(name, kind, password.encode()) for name, password in self.users.items()]
        admin = self.admin()
        for done in admin.alter_user_scram_credentials(changes).values():
            done.result(support.PATIENCE)

    def _bindings(self, principal, grants):
        for kind, name, *operations in grants:
            for operation in operations:
                yield AclBinding(ResourceType[kind], name, ResourcePatternType.LITERAL, principal, "*", AclOperation[operation], AclPermissionType.ALLOW)

    def allow(self, principal, *grants):
        """Each grant: kind of resource, its name, operations: ("TOPIC", "orders", "READ")."""
        admin = self.admin()
        for done in admin.create_acls(list(self._bindings(principal, grants))).values():
            done.result(support.PATIENCE)

    def forbid(self, principal, *grants):
        """Takes back what was granted."""
        admin = self.admin()
        filters = [confluent_kafka.admin.AclBindingFilter(b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation, b.permission_type)
                   for b in self._bindings(principal, grants)]
        for done in admin.delete_acls(filters).values():
            assert done.result(support.PATIENCE)

    # -------------------------------------------------------------------------------------------- properties of clients
    def tls(self, certificate=None, authority=None):
        given = {"security.protocol": "ssl", "ssl.ca.location": str((authority or self.authority).path)}
        if certificate:
            given.update({"ssl.certificate.location": str(certificate[0]), "ssl.key.location": str(certificate[1])})
        return given

    def sasl(self, mechanism, user, password, tls=False):
        given = {"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password}
        return {**given, **(self.tls() if tls else {}), "security.protocol": "sasl_ssl" if tls else "sasl_plaintext"}
